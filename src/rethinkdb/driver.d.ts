/** The part of the official driver that Thinkback uses: connecting, and building queries. It ships no types. */
declare module "rethinkdb" {
  import type { Socket } from "node:net";
  import type { TlsOptions } from "node:tls";

  export interface Term {
    /** The query in the wire protocol's JSON form. */
    build(): unknown;
    // Terms are built by chaining; which methods exist is the driver's business.
    [method: string]: (...args: unknown[]) => Term;
  }

  export interface DriverConnection {
    rawSocket: Socket;
    /** Emits "error" and "close". */
    on(event: string, listener: (...args: unknown[]) => void): void;
  }

  export interface ConnectOptions {
    host: string;
    port: number;
    user: string;
    password: string;
    /** Seconds. */
    timeout: number;
    ssl?: TlsOptions;
  }

  const r: {
    db(name: string): Term;
    table(name: string): Term;
    expr(value: unknown, nestingDepth?: number): Term;
    json(text: string): Term;
    uuid(text?: unknown): Term;
    bitXor(...args: unknown[]): Term;
    grant(user: string, permissions: object): Term;
    dbCreate(name: string): Term;
    dbDrop(name: string): Term;
    dbList(): Term;
    now(): Term;
    binary(data: Buffer): Term;
    desc(value: unknown): Term;
    row: Term;
    minval: Term;
    maxval: Term;
    [method: string]: unknown;
  };
  export default r;
}

declare module "rethinkdb/net.js" {
  import type { ConnectOptions, DriverConnection } from "rethinkdb";

  /** Connects and authenticates at once; calls back when that is done or has failed. */
  class TcpConnection implements DriverConnection {
    constructor(
      options: ConnectOptions,
      callback: (error: Error | null, connection?: TcpConnection) => void,
    );
    rawSocket: DriverConnection["rawSocket"];
    on: DriverConnection["on"];
  }
  const connections: { TcpConnection: typeof TcpConnection };
  export default connections;
}
