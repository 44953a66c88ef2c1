/** Azurite, Microsoft's emulator of Azure Blob Storage, with a proxy in front of it that can fail. */
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import {
  createServer,
  type IncomingMessage,
  type ServerResponse,
  request as send,
} from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ContainerClient, StorageSharedKeyCredential } from "@azure/storage-blob";
import { type Fault, metBy } from "./bucket-tests.js";

/** The account and the key of every emulator, which Microsoft has published. */
export const account = "devstoreaccount1";
export const key =
  "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
export const container = "backups";

export interface Azurite {
  /** Without a slash at its end. */
  endpoint: string;
  version: string;
  stop(): Promise<void>;
}

/** Starts the emulator on a free port, in a new directory, and makes a container. */
export async function startAzurite(): Promise<Azurite> {
  const manifest = createRequire(import.meta.url).resolve("azurite/package.json");
  const directory = await mkdtemp(join(tmpdir(), "thinkback-azurite-"));
  const main = join(dirname(manifest), "dist/src/blob/main.js");
  const choices = ["--blobHost", "127.0.0.1", "--blobPort", "0", "--location", directory];
  const flags = ["--skipApiVersionCheck", "--disableTelemetry", "--silent", "--loose"];
  const child = spawn(process.execPath, [main, ...choices, ...flags], { cwd: directory });
  const address = await new Promise<string>((resolve, reject) => {
    let said = "";
    const read = (chunk: Buffer) => {
      said += chunk.toString();
      const [, found] = /listens on (http:\/\/\S+)/.exec(said) ?? [];
      if (found !== undefined) resolve(found);
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    child.once("exit", (code) => reject(new Error(`azurite ended with status ${code}: ${said}`)));
  });
  const endpoint = `${address}/${account}`;
  const credential = new StorageSharedKeyCredential(account, key);
  await new ContainerClient(`${endpoint}/${container}`, credential).create();
  const { version } = createRequire(import.meta.url)(manifest) as { version: string };
  const stop = async () => {
    const ended = new Promise((done) => child.once("exit", done));
    child.kill("SIGTERM");
    await ended;
    await rm(directory, { recursive: true, force: true });
  };
  return { endpoint, version, stop };
}

/** A proxy that passes requests on as they are, counts them, and fails as planted. */
export class FaultProxy {
  readonly asked: string[] = [];
  readonly faults: Fault[] = [];
  private readonly server = createServer((request, response) => {
    this.pass(request, response).catch(() => response.destroy());
  });

  private constructor(private readonly behind: string) {}

  static async before(behind: string): Promise<FaultProxy> {
    const proxy = new FaultProxy(behind);
    await new Promise<void>((done) => proxy.server.listen(0, "127.0.0.1", done));
    return proxy;
  }

  get endpoint(): string {
    const { port } = this.server.address() as AddressInfo;
    return `http://127.0.0.1:${port}${new URL(this.behind).pathname}`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }

  private async pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const method = request.method!;
    const path = request.url!;
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    this.asked.push(`${method} ${path}`);
    const query = new URL(path, this.behind).searchParams;
    const faults = metBy(this.faults, { method, path, query });
    const body = Buffer.concat(chunks);
    if (faults.some(({ kind }) => kind === "flip a bit")) body[body.length - 1]! ^= 1;
    for (const what of faults) {
      if (what.kind === "delay") await sleep(what.ms);
      if (what.kind !== "answer") continue;
      const headers = { "x-ms-error-code": what.code, "content-type": "application/xml" };
      response.writeHead(what.status, headers);
      response.end(
        `<?xml version="1.0"?><Error><Code>${what.code}</Code><Message>x</Message></Error>`,
      );
      return;
    }
    if (faults.some(({ kind }) => kind === "ignore conditions")) await this.remove(path);
    const reply = await this.ask(method, path, request, body);
    if (faults.some(({ kind }) => kind === "lose the reply")) {
      response.destroy();
      return;
    }
    const cut = faults.find((what) => what.kind === "cut");
    const given = cut ? reply.body.subarray(0, cut.bytes) : reply.body;
    const headers = { ...reply.headers };
    if (cut?.lies) headers["content-length"] = String(given.length);
    response.writeHead(reply.status, headers);
    if (cut && !cut.lies) response.write(given, () => response.destroy());
    else response.end(given);
  }

  /** Removes what is in the way: a service that ignores conditions would replace it. */
  private async remove(path: string): Promise<void> {
    const [, name] = new RegExp(`^/${account}/${container}/([^?]+)`).exec(path) ?? [];
    const credential = new StorageSharedKeyCredential(account, key);
    const client = new ContainerClient(`${this.behind}/${container}`, credential);
    await client.getBlobClient(decodeURIComponent(name!)).deleteIfExists();
  }

  private ask(method: string, path: string, request: IncomingMessage, body: Buffer) {
    type Reply = { status: number; headers: IncomingMessage["headers"]; body: Buffer };
    return new Promise<Reply>((resolve, reject) => {
      const { origin } = new URL(this.behind);
      const options = { method, headers: request.headers };
      const asking = send(`${origin}${path}`, options, (reply) => {
        const chunks: Buffer[] = [];
        reply.on("data", (chunk: Buffer) => chunks.push(chunk));
        reply.on("error", reject);
        reply.on("end", () => {
          const { statusCode = 0, headers } = reply;
          resolve({ status: statusCode, headers, body: Buffer.concat(chunks) });
        });
      });
      asking.on("error", reject);
      asking.end(body);
    });
  }
}
