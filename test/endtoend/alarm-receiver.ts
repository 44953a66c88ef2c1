/** A receiver of webhooks that can be away, and gives its port up meanwhile. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Letter } from "../../src/alarms/letter.js";

export class Receiver {
  readonly letters: Letter[] = [];
  private server: Server | undefined;

  private constructor(readonly port: number) {}

  static async open(): Promise<Receiver> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    return new Receiver(port);
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/hook`;
  }

  /** Takes letters from now on. */
  async begin(): Promise<void> {
    this.server = createServer((request, response) => {
      let body = "";
      request.on("data", (bytes: Buffer) => (body += bytes.toString()));
      request.on("end", () => {
        this.letters.push(JSON.parse(body) as Letter);
        response.end();
      });
    });
    const { server } = this;
    await new Promise<void>((resolve) => server.listen(this.port, "127.0.0.1", resolve));
  }

  async end(): Promise<void> {
    const { server } = this;
    this.server = undefined;
    server?.closeAllConnections();
    if (server) await new Promise((resolve) => server.close(resolve));
  }

  /** What came, as texts such as "raised store-away". */
  get told(): string[] {
    return toldBy(this.letters);
  }
}

export const toldBy = (letters: readonly Letter[]) =>
  letters.map(({ type, alarm }) => `${type} ${alarm?.kind ?? ""}`.trim());
