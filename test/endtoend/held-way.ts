/** A way to a server on which a query can be held up, as a network or a machine that stands still holds it. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

export class HeldWay {
  private wanted: string[] | undefined;
  private held: (() => void)[] | undefined;
  private readonly sockets = new Set<Socket>();

  private constructor(private readonly server: Server) {}

  static async to({ host, port }: { host: string; port: number }): Promise<HeldWay> {
    const server = createServer();
    const way = new HeldWay(server);
    server.on("connection", (client: Socket) => {
      const onward = connect({ host, port });
      for (const socket of [client, onward]) {
        way.sockets.add(socket);
        socket.on("error", () => undefined);
      }
      client.on("data", (bytes: Buffer) => way.forward(bytes, onward));
      client.on("close", () => (way.held ? way.held.push(() => onward.end()) : onward.end()));
      onward.pipe(client);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return way;
  }

  get address(): string {
    return `rethinkdb://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** True once something is held. */
  get holds(): boolean {
    return this.held !== undefined;
  }

  /** From the next piece on in which all of these texts are, nothing gets through to the server. */
  holdFrom(...texts: string[]): void {
    this.wanted = texts;
  }

  /** Lets all through that was held. */
  release(): void {
    const held = this.held ?? [];
    this.held = undefined;
    for (const send of held) send();
  }

  close(): void {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
  }

  private forward(bytes: Buffer, onward: Socket): void {
    if (this.wanted?.every((text) => bytes.includes(text))) {
      this.wanted = undefined;
      this.held = [];
    }
    if (this.held) this.held.push(() => onward.write(bytes));
    else onward.write(bytes);
  }
}
