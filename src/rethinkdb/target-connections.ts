/** The connections to a target: one for administration, and as many as write at once. */
import type { Dial } from "./channel.js";
import { Connection } from "./connection.js";

export class TargetConnections {
  private readonly idle: Connection[] = [];
  private readonly open = new Set<Connection>();
  private ofAdmin: Promise<Connection> | undefined;
  private closed = false;

  constructor(private readonly dial: Dial) {}

  /** A connection that nobody else uses, until it is given back. */
  async take(): Promise<Connection> {
    for (;;) {
      const idle = this.idle.pop();
      if (!idle) return this.connect();
      // It may have been lost while it was idle.
      if (idle.isOpen) return idle;
    }
  }

  giveBack(connection: Connection): void {
    if (connection.isOpen) this.idle.push(connection);
  }

  /** The connection for administration. A lost one is replaced, because what was made must be dropped even then. */
  async admin(): Promise<Connection> {
    const before = this.ofAdmin;
    const held = await before?.catch(() => undefined);
    if (held?.isOpen) return held;
    // Whoever came first in the meantime has begun to connect.
    if (this.ofAdmin === before) this.ofAdmin = this.connect();
    return this.ofAdmin!;
  }

  /** One more connection, which is closed with the others at the latest. */
  async connect(): Promise<Connection> {
    const connection = new Connection(await this.dial());
    this.open.add(connection);
    void connection.lost.then(() => this.open.delete(connection));
    if (this.closed) connection.close();
    return connection;
  }

  close(): void {
    this.closed = true;
    for (const connection of this.open) connection.close();
  }
}
