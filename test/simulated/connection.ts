import type { Engine } from "./engine.js";
import { type Link, Pipe, type Weather } from "./link.js";
import type { Proxy } from "./proxy.js";
import type { ReqlError } from "./reql-error.js";
import { Session } from "./session.js";

/** One connection of the cluster: the two directions and the session at the server's end. */
export class Connection {
  readonly user: string;
  /** What it goes through, if anything. */
  readonly proxy: Proxy | undefined;
  readonly #session: Session;
  readonly #toServer: Pipe;
  readonly #toClient: Pipe;
  readonly #dataListeners: ((bytes: Uint8Array) => void)[] = [];
  readonly #closeListeners: (() => void)[] = [];
  readonly #forget: (connection: Connection) => void;
  #open = true;

  constructor(
    engine: Engine,
    weather: Weather,
    user: string,
    immediate: boolean,
    forget: (connection: Connection) => void,
    proxy?: Proxy,
  ) {
    this.user = user;
    this.#forget = forget;
    this.#toClient = new Pipe(engine.timers, weather, immediate, (bytes) => {
      for (const listener of this.#dataListeners) listener(bytes);
    });
    this.#session = new Session(
      engine,
      user,
      (frame) => this.#toClient.push(frame),
      () => this.close(),
      proxy,
    );
    this.proxy = proxy;
    this.#toServer = new Pipe(engine.timers, weather, immediate, (bytes) =>
      this.#session.receive(bytes),
    );
  }

  /** The client's end. */
  link(): Link {
    return {
      send: (bytes) => this.#toServer.push(bytes.slice()),
      onData: (listener) => void this.#dataListeners.push(listener),
      onClose: (listener) => void this.#closeListeners.push(listener),
      destroy: () => this.#end(),
    };
  }

  /** Cuts the connection: what is on its way in either direction is lost, the client is told. */
  close(): void {
    if (!this.#open) return;
    this.#end();
    for (const listener of this.#closeListeners) listener();
  }

  /** Goes on after its proxy was cut off; `error` ends its feeds. */
  reconnected(error: ReqlError | undefined): void {
    this.#session.reconnected(error);
  }

  /** Goes on after a pause. */
  flow(): void {
    this.#toServer.flow();
    this.#toClient.flow();
  }

  #end(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#session.end();
    this.#toServer.close();
    this.#toClient.close();
    this.#forget(this);
  }
}
