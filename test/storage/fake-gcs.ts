/**
 * A strict server of the JSON API of Google Cloud Storage, in memory, with one bucket. It refuses what the real service
 * would refuse, and also what a writer of immutable objects must not ask for. Faults can be planted.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { CRC32C } from "@google-cloud/storage";
import { type Fault, metBy } from "./bucket-tests.js";

interface Stored {
  bytes: Buffer;
  metadata: Record<string, unknown>;
  generation: number;
}

const bucket = "backups";
/** The token that a client has to send, where tokens are asked for. */
const token = "ya29.fake";

export class FakeGcs {
  readonly objects = new Map<string, Stored>();
  /** What was asked for, such as "POST /upload/storage/v1/b/backups/o". */
  readonly asked: string[] = [];
  /** The token of each request. */
  readonly tokens: (string | undefined)[] = [];
  readonly faults: Fault[] = [];
  /** Objects of a page, at most: few, so that a listing has many pages. */
  pageObjects = 3;
  wantsToken = false;
  private generations = 0;

  private constructor(private readonly server: Server) {}

  static async start(): Promise<FakeGcs> {
    const server = createServer();
    const fake = new FakeGcs(server);
    server.on("request", (request, response) => {
      fake.answer(request, response).catch(() => response.destroy());
    });
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    return fake;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url!, this.endpoint);
    const [method, path, query] = [request.method!, url.pathname, url.searchParams];
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    if (path === "/token") return json(response, 200, tokenReply);
    this.asked.push(`${method} ${path}`);
    this.tokens.push(request.headers.authorization);
    const faults = metBy(this.faults, { method, path, query });
    for (const what of faults) {
      if (what.kind === "delay") await sleep(what.ms);
      if (what.kind === "answer") return refuse(response, what.status, what.code, what.code);
    }
    if (this.wantsToken && request.headers.authorization !== `Bearer ${token}`) {
      return refuse(response, 401, "required", "Anonymous caller does not have access.");
    }
    const kinds = new Set(faults.map(({ kind }) => kind));
    const cut = faults.find((what) => what.kind === "cut");
    const target = kinds.has("lose the reply") ? lost(response) : response;
    const [, found] = /^\/(?:upload\/)?storage\/v1\/b\/([^/]+)\/o(?:\/|$)/.exec(path) ?? [];
    if (found !== bucket) {
      return refuse(target, 404, "notFound", "The specified bucket does not exist.");
    }
    if (path.startsWith("/upload/") && method === "POST") {
      const type = request.headers["content-type"] ?? "";
      if (kinds.has("flip a bit")) body[body.lastIndexOf("\r\n--") - 1]! ^= 1;
      return this.insert(target, query, type, body, kinds.has("ignore conditions"));
    }
    const [, encoded] = /\/o\/(.+)$/.exec(path) ?? [];
    if (encoded === undefined && method === "GET") return this.list(target, query);
    if (encoded === undefined || encoded.includes("/")) {
      return refuse(target, 400, "invalid", "no such method");
    }
    const name = decodeURIComponent(encoded);
    if (method === "DELETE") return this.delete(target, name);
    if (method !== "GET") return refuse(target, 405, "methodNotAllowed", "not this method");
    return this.get(target, name, query, request.headers.range, cut);
  }

  /** Nothing is awaited between the condition and the change, so of any number of requests one succeeds. */
  private insert(
    response: ServerResponse,
    query: URLSearchParams,
    type: string,
    body: Buffer,
    ignoresConditions: boolean,
  ): void {
    if (query.get("uploadType") !== "multipart" || query.get("ifGenerationMatch") !== "0") {
      return refuse(
        response,
        400,
        "invalid",
        "an upload in one request, of a new object, is wanted",
      );
    }
    const [, boundary] = /^multipart\/related; boundary=(\S+)$/.exec(type) ?? [];
    const parts = boundary === undefined ? undefined : partsOf(body, boundary);
    if (!parts) return refuse(response, 400, "invalid", "not a multipart body");
    const metadata = JSON.parse(parts[0].toString("utf8")) as Record<string, unknown>;
    const { name, crc32c } = metadata;
    if (typeof name !== "string" || name === "" || Buffer.byteLength(name) > 1024) {
      return refuse(response, 400, "invalid", "Invalid object name.");
    }
    const bytes = Buffer.from(parts[1]);
    const computed = new CRC32C();
    computed.update(bytes);
    if (crc32c !== computed.toString()) {
      const message = `Provided CRC32C "${String(crc32c)}" doesn't match calculated CRC32C.`;
      return refuse(response, 400, "invalid", message);
    }
    if (this.objects.has(name) && !ignoresConditions) {
      const message = "At least one of the pre-conditions you specified did not hold.";
      return refuse(response, 412, "conditionNotMet", message);
    }
    this.generations += 1;
    this.objects.set(name, { bytes, metadata, generation: this.generations });
    json(response, 200, { name, size: String(bytes.length), crc32c: computed.toString() });
  }

  private list(response: ServerResponse, query: URLSearchParams): void {
    const prefix = query.get("prefix") ?? "";
    const begin = query.get("pageToken") ?? query.get("startOffset") ?? "";
    const before = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));
    const names = [...this.objects.keys()]
      .filter((name) => name.startsWith(prefix) && before(name, begin) >= 0)
      .sort(before);
    const next = names[this.pageObjects];
    const items = names
      .slice(0, this.pageObjects)
      .map((name) => ({ name, size: String(this.objects.get(name)!.bytes.length) }));
    json(response, 200, {
      ...(items.length > 0 ? { items } : {}),
      ...(next === undefined ? {} : { nextPageToken: next }),
    });
  }

  private delete(response: ServerResponse, name: string): void {
    if (!this.objects.delete(name)) {
      return refuse(response, 404, "notFound", `No such object: ${bucket}/${name}`);
    }
    response.writeHead(204).end();
  }

  private get(
    response: ServerResponse,
    name: string,
    query: URLSearchParams,
    range: string | undefined,
    cut: { bytes: number; lies: boolean } | undefined,
  ): void {
    const stored = this.objects.get(name);
    const isMedia = query.get("alt") === "media";
    if (!stored) {
      const message = `No such object: ${bucket}/${name}`;
      if (!isMedia) return refuse(response, 404, "notFound", message);
      response.writeHead(404, { "content-type": "text/html; charset=UTF-8" }).end(message);
      return;
    }
    const size = stored.bytes.length;
    if (!isMedia) return json(response, 200, { size: String(size) });
    const part = range === undefined ? { start: 0, end: size } : rangeOf(range, size);
    if (!part) {
      response.writeHead(416, { "content-range": `bytes */${size}` }).end("range not satisfiable");
      return;
    }
    const wanted = stored.bytes.subarray(part.start, part.end);
    const given = cut ? wanted.subarray(0, Math.min(cut.bytes, wanted.length)) : wanted;
    response.writeHead(range === undefined ? 200 : 206, {
      "content-length": cut?.lies ? given.length : wanted.length,
      "x-goog-stored-content-length": size,
      ...(range === undefined
        ? {}
        : { "content-range": `bytes ${part.start}-${part.end - 1}/${size}` }),
    });
    if (given.length === wanted.length || cut?.lies) response.end(given);
    else response.write(given, () => response.destroy());
  }
}

const tokenReply = {
  access_token: token,
  issued_token_type: "urn:ietf:params:oauth:token-type:access_token",
  token_type: "Bearer",
  expires_in: 3600,
};

function json(response: ServerResponse, status: number, value: object): void {
  response.writeHead(status, { "content-type": "application/json; charset=UTF-8" });
  response.end(JSON.stringify(value));
}

function refuse(response: ServerResponse, status: number, reason: string, message: string): void {
  const errors = [{ domain: "global", reason, message }];
  json(response, status, { error: { code: status, message, errors } });
}

/** A response that is never sent: the connection ends in its place. */
function lost(response: ServerResponse): ServerResponse {
  const end = () => {
    response.destroy();
    return response;
  };
  return Object.assign(Object.create(response) as ServerResponse, {
    writeHead: () => ({ end }),
    end,
  });
}

/** The two parts of a multipart body: metadata and bytes. Undefined if it is not well formed. */
function partsOf(body: Buffer, boundary: string): [Buffer, Buffer] | undefined {
  const line = Buffer.from(`--${boundary}`);
  const end = Buffer.from(`\r\n--${boundary}--\r\n`);
  const second = body.indexOf(`\r\n--${boundary}\r\n`);
  if (body.indexOf(line) !== 0 || second === -1 || !body.subarray(-end.length).equals(end)) {
    return undefined;
  }
  const content = (part: Buffer) => part.subarray(part.indexOf("\r\n\r\n") + 4);
  return [
    content(body.subarray(0, second)),
    content(body.subarray(second + 2, body.length - end.length)),
  ];
}

/** The range of a request; undefined if no byte of an object of this size lies in it. */
function rangeOf(header: string, size: number): { start: number; end: number } | undefined {
  const [, from = "", to = ""] = /^bytes=(\d*)-(\d*)$/.exec(header) ?? [];
  if (from === "" && to === "") return undefined;
  const start = from === "" ? Math.max(0, size - Number(to)) : Number(from);
  const end = from === "" || to === "" ? size : Math.min(size, Number(to) + 1);
  return start < size && start < end ? { start, end } : undefined;
}
