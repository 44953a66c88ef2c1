/**
 * A server that speaks S3, for tests. It is strict: what AWS would refuse it refuses, and it takes nothing that older
 * servers do not take. It does not verify signatures, but the digests of bodies.
 *
 * It does wrong only what `faults` says.
 */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { crc32 } from "node:zlib";
import { FakeBucket, S3Refusal, type Version } from "./fake-s3-bucket.js";

/** Of a fault "every n", each n-th request that fits has it, from the first one on; 0 is never. */
export class S3Faults {
  /** Conditions are taken and ignored. */
  ignoresConditions = false;
  /** Conditions are checked before the put takes some time, and not again. */
  checksTooEarly = false;
  /** How a put to a taken key is refused. */
  takenAs: "412" | "304" | "409" = "412";
  /** The header that makes a put create, in place of If-None-Match, which is refused then. */
  ownHeader = "";
  /** How any put with a condition is refused. */
  refusesConditions: "" | "501" | "400" | "400 header" = "";
  /** Puts with a condition are answered 409 ConditionalRequestConflict, and change nothing. */
  conflictEvery = 0;
  /** Puts and deletes are done, and the connection is cut before the answer. */
  loseReplyEvery = 0;
  /** Connections are cut before anything is done. */
  resetEvery = 0;
  /** The bodies of reads are cut off in their middle. */
  cutBodyEvery = 0;
  /** The bodies of ranges lack their second half; the length fits that, and the connection is in order. */
  shortBodyEvery = 0;
  /** 503 SlowDown. */
  slowDownEvery = 0;
  /** Ranges are ignored. */
  ignoresRanges = false;
  /** How long each request takes. */
  delayMs = 0;
  /** How far listings are behind. */
  staleMs = 0;
  /** All requests are refused with this. */
  refusal: S3Refusal | undefined;
  /** How requests are refused that are signed with these access keys. */
  refusedCredentials = new Map<string, S3Refusal>();
  /** The headers of locks are taken and ignored; requests to extend one are, too. */
  ignoresLocks = false;
  /** These keys cannot be deleted. */
  undeletable = new Set<string>();
  /** What is said of them in a list of errors. */
  undeletableAs = "AccessDenied";
}

export interface FakeS3Options {
  bucket?: string;
  isVersioned?: boolean;
  /** Objects in a page of a listing. */
  pageObjects?: number;
  port?: number;
}

interface Asked {
  method: string;
  key: string;
  query: URLSearchParams;
  headers: Record<string, string | undefined>;
  body: Buffer;
}

interface Answer {
  status: number;
  headers?: Record<string, string>;
  body?: string | Buffer;
}

/** How long a put takes between the check of its condition and its effect, if that is a fault. */
const tooEarlyMs = 20;
const skewMsMax = 15 * 60_000;

const sleep = (ms: number) => new Promise((done) => setTimeout(done, ms));

const escaped = (text: string) =>
  text.replace(/[<>&"']/g, (character) => `&#${character.charCodeAt(0)};`);

const noSuchKey = () => new S3Refusal(404, "NoSuchKey", "The specified key does not exist.");

export class FakeS3 {
  readonly faults = new S3Faults();
  /** Requests by kind, such as put, get, head, list, delete, deleteMany. */
  readonly counts = new Map<string, number>();
  /** The most requests that were under way at once. */
  atOnceMax = 0;
  /** The headers of the last request of each kind. */
  readonly lastHeaders = new Map<string, Asked["headers"]>();
  readonly bucket: FakeBucket;
  /** Milliseconds since the Unix epoch; tests may move it. */
  clockOffsetMs = 0;
  /** The instant at which the server's clock stands, if it does. */
  clockStandsAt: number | undefined;
  private readonly hits = new Map<string, number>();
  private atOnce = 0;

  private constructor(
    private readonly server: Server,
    readonly bucketName: string,
    isVersioned: boolean,
    private readonly pageObjects: number,
  ) {
    this.bucket = new FakeBucket(isVersioned, () => this.now());
    server.on("request", (request, response) => void this.handle(request, response));
  }

  static async start(options: FakeS3Options = {}): Promise<FakeS3> {
    const { bucket = "bucket", isVersioned = false, pageObjects = 7, port = 0 } = options;
    const server = createServer({ keepAliveTimeout: 60_000 });
    const fake = new FakeS3(server, bucket, isVersioned, pageObjects);
    await new Promise<void>((done) => server.listen(port, "127.0.0.1", done));
    return fake;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** The location of a place in the bucket. */
  at(prefix: string, options = ""): string {
    const endpoint = encodeURIComponent(`http://127.0.0.1:${this.port}`);
    return `s3://${this.bucketName}/${prefix}?endpoint=${endpoint}${options}`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }

  now(): number {
    return this.clockStandsAt ?? Date.now() + this.clockOffsetMs;
  }

  count(kind: string): number {
    return this.counts.get(kind) ?? 0;
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.atOnce += 1;
    this.atOnceMax = Math.max(this.atOnceMax, this.atOnce);
    // A cut connection is a fault of a test, and none of the server.
    request.on("error", () => undefined);
    response.on("error", () => undefined);
    let asked: Asked | undefined;
    try {
      asked = await this.read(request);
      if (this.faults.delayMs > 0) await sleep(this.faults.delayMs);
      if (this.strikes("reset", this.faults.resetEvery)) return void request.socket.destroy();
      const answer = await this.answer(asked);
      const changes = asked.method !== "GET" && asked.method !== "HEAD";
      if (changes && this.strikes("loseReply", this.faults.loseReplyEvery)) {
        return void request.socket.destroy();
      }
      this.send(asked, response, answer);
    } catch (error) {
      this.refuse(asked?.method ?? request.method ?? "", response, error);
    } finally {
      this.atOnce -= 1;
    }
  }

  private strikes(fault: string, every: number): boolean {
    if (every === 0) return false;
    const hits = this.hits.get(fault) ?? 0;
    this.hits.set(fault, hits + 1);
    return hits % every === 0;
  }

  private async read(request: IncomingMessage): Promise<Asked> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const url = new URL(request.url ?? "/", "http://fake");
    const path = decodeURIComponent(url.pathname).slice(1);
    const slash = path.includes("/") ? path.indexOf("/") : path.length;
    const asked: Asked = {
      method: request.method ?? "",
      key: path.slice(slash + 1),
      query: url.searchParams,
      headers: request.headers as Asked["headers"],
      body: Buffer.concat(chunks),
    };
    const kind = kindOf(asked);
    this.counts.set(kind, this.count(kind) + 1);
    this.lastHeaders.set(kind, asked.headers);
    this.check(asked);
    if (path.slice(0, slash) !== this.bucketName) {
      throw new S3Refusal(404, "NoSuchBucket", "The specified bucket does not exist");
    }
    return asked;
  }

  private check({ method, headers, body }: Asked): void {
    const { authorization = "" } = headers;
    if (
      !/^AWS4-HMAC-SHA256 Credential=[^/]+\/\d{8}\/[^/]+\/s3\/aws4_request, /.test(authorization)
    ) {
      throw new S3Refusal(403, "AccessDenied", "Access Denied");
    }
    const date = /^(....)(..)(..T..)(..)(..Z)$/.exec(headers["x-amz-date"] ?? "");
    const sent = date ? Date.parse(`${date[1]}-${date[2]}-${date[3]}:${date[4]}:${date[5]}`) : 0;
    if (Math.abs(sent - this.now()) > skewMsMax) {
      throw new S3Refusal(403, "RequestTimeTooSkewed", "The difference is too large.");
    }
    if (method === "PUT" && headers["content-length"] === undefined) {
      throw new S3Refusal(411, "MissingContentLength", "You must provide the Content-Length.");
    }
    const encoded = `${headers["content-encoding"]}${headers["x-amz-trailer"]}`;
    if (encoded.includes("aws-chunked") || encoded.includes("checksum")) {
      throw new S3Refusal(400, "InvalidArgument", "aws-chunked is not supported");
    }
    const digests: [string, () => string][] = [
      ["content-md5", () => createHash("md5").update(body).digest("base64")],
      ["x-amz-content-sha256", () => createHash("sha256").update(body).digest("hex")],
      ["x-amz-checksum-crc32", () => crc32Of(body)],
    ];
    for (const [header, digest] of digests) {
      if (headers[header] !== undefined && headers[header] !== digest()) {
        throw new S3Refusal(400, "BadDigest", `The ${header} you specified did not match.`);
      }
    }
    const [, accessKey = ""] = /Credential=([^/]+)/.exec(authorization) ?? [];
    const refused = this.faults.refusedCredentials.get(accessKey) ?? this.faults.refusal;
    if (refused) throw refused;
    if (this.strikes("slowDown", this.faults.slowDownEvery)) {
      throw new S3Refusal(503, "SlowDown", "Please reduce your request rate.");
    }
  }

  private async answer(asked: Asked): Promise<Answer> {
    switch (kindOf(asked)) {
      case "put":
        return this.put(asked);
      case "get":
      case "head":
        return this.get(asked);
      case "delete":
        this.bucket.delete(asked.key);
        return { status: 204 };
      case "deleteMany":
        return this.deleteMany(asked);
      case "list":
        return this.list(asked.query);
      case "listVersions":
        return this.listVersions(asked.query);
      case "versioning":
        return xml(
          "VersioningConfiguration",
          this.bucket.isVersioned ? "<Status>Enabled</Status>" : "",
        );
      case "retain":
        return this.retain(asked);
      default:
        throw new S3Refusal(501, "NotImplemented", "A header or query is not implemented.");
    }
  }

  private async put({ key, headers, body }: Asked): Promise<Answer> {
    const { faults } = this;
    if (faults.ownHeader !== "" && headers["if-none-match"] !== undefined) {
      throw new S3Refusal(400, "NotImplemented", "If-None-Match is not implemented");
    }
    const isForbidden = faults.ownHeader !== "" && headers[faults.ownHeader] === "true";
    const condition = isForbidden ? "*" : headers["if-none-match"];
    if (condition !== undefined && condition !== "*") {
      throw new S3Refusal(400, "InvalidRequest", "If-None-Match must be *");
    }
    const lock = this.lockOf(headers);
    if (condition) await this.checkCondition(key);
    const kept = Object.fromEntries(
      Object.entries(headers).filter(([name]) => /^x-amz-(storage|server)/.test(name)),
    ) as Record<string, string>;
    if (condition && faults.checksTooEarly) await sleep(tooEarlyMs);
    const { id } = this.bucket.put(key, body, kept, lock);
    const version = this.bucket.isVersioned ? { "x-amz-version-id": id } : undefined;
    return { status: 200, headers: { etag: etagOf(body), ...version } };
  }

  private async checkCondition(key: string): Promise<void> {
    const { faults } = this;
    const message = "A header you provided implies functionality that is not implemented";
    if (faults.refusesConditions === "501") throw new S3Refusal(501, "NotImplemented", message);
    if (faults.refusesConditions === "400") throw new S3Refusal(400, "NotImplemented", message);
    if (faults.refusesConditions !== "") {
      throw new S3Refusal(400, "InvalidArgument", "Unsupported header If-None-Match");
    }
    if (faults.ignoresConditions) return;
    if (this.strikes("conflict", faults.conflictEvery)) {
      throw new S3Refusal(409, "ConditionalRequestConflict", "A conflicting operation is running.");
    }
    if (!this.bucket.find(key)) return;
    if (faults.takenAs === "304") throw new S3Refusal(304, "", "");
    if (faults.takenAs === "409") throw new S3Refusal(409, "FileAlreadyExists", "It exists.");
    throw new S3Refusal(412, "PreconditionFailed", "A precondition did not hold.");
  }

  private lockOf(headers: Asked["headers"]): Version["lock"] {
    const mode = headers["x-amz-object-lock-mode"];
    const until = headers["x-amz-object-lock-retain-until-date"];
    if (mode === undefined && until === undefined) return undefined;
    requireDigest(headers);
    if (this.faults.ignoresLocks) return undefined;
    if (!this.bucket.isVersioned) {
      throw new S3Refusal(400, "InvalidRequest", "Bucket is missing Object Lock Configuration");
    }
    const ms = Date.parse(until ?? "");
    if (!/^(GOVERNANCE|COMPLIANCE)$/.test(mode ?? "") || !(ms > this.now())) {
      throw new S3Refusal(400, "InvalidArgument", "The retain until date must be in the future!");
    }
    return { mode: mode!, until: ms };
  }

  private get({ method, key, query, headers }: Asked): Answer {
    const version = this.bucket.find(key, query.get("versionId"));
    if (!version) throw noSuchKey();
    const bytes = version.bytes!;
    const known = {
      ...version.headers,
      etag: etagOf(bytes),
      "last-modified": new Date(version.modified).toUTCString(),
      "accept-ranges": "bytes",
      ...(version.lock && {
        "x-amz-object-lock-mode": version.lock.mode,
        "x-amz-object-lock-retain-until-date": new Date(version.lock.until).toISOString(),
      }),
    };
    const { range } = headers;
    if (method === "HEAD" || range === undefined || this.faults.ignoresRanges) {
      return { status: 200, headers: known, body: bytes };
    }
    const [start, end] = rangeIn(range, bytes.length);
    const told = { ...known, "content-range": `bytes ${start}-${end - 1}/${bytes.length}` };
    return { status: 206, headers: told, body: bytes.subarray(start, end) };
  }

  private deleteMany({ headers, body }: Asked): Answer {
    requireDigest(headers);
    const keys = [...body.toString().matchAll(/<Key>([^<]*)<\/Key>/g)].map((match) => match[1]!);
    if (keys.length === 0 || keys.length > 1000) {
      throw new S3Refusal(400, "MalformedXML", "The XML you provided was not well-formed");
    }
    const errors: string[] = [];
    for (const key of keys) {
      if (!this.faults.undeletable.has(key)) this.bucket.delete(key);
      else
        errors.push(
          `<Key>${key}</Key><Code>${this.faults.undeletableAs}</Code><Message>No</Message>`,
        );
    }
    return xml("DeleteResult", errors.map((error) => `<Error>${error}</Error>`).join(""));
  }

  private list(query: URLSearchParams): Answer {
    const after = query.get("continuation-token") ?? query.get("start-after") ?? "";
    const all = this.bucket
      .current(query.get("prefix") ?? "", this.faults.staleMs)
      .filter(([key]) => Buffer.compare(Buffer.from(key), Buffer.from(after)) > 0);
    const page = all.slice(0, Math.min(this.pageObjects, Number(query.get("max-keys") ?? 1000)));
    const isTruncated = page.length < all.length;
    const contents = page.map(
      ([key, { bytes, modified }]) =>
        `<Contents><Key>${escaped(key)}</Key><LastModified>${dateOf(modified)}</LastModified>` +
        `<ETag>${escaped(etagOf(bytes!))}</ETag><Size>${bytes!.length}</Size></Contents>`,
    );
    const token = isTruncated
      ? `<NextContinuationToken>${escaped(page.at(-1)![0])}</NextContinuationToken>`
      : "";
    return xml(
      "ListBucketResult",
      `<IsTruncated>${isTruncated}</IsTruncated>${token}${contents.join("")}`,
    );
  }

  private listVersions(query: URLSearchParams): Answer {
    const keyMarker = query.get("key-marker") ?? "";
    const versionMarker = query.get("version-id-marker");
    let all = this.bucket.all(query.get("prefix") ?? "");
    const at = all.findIndex(
      ({ key, version }) => key === keyMarker && version.id === versionMarker,
    );
    all = at === -1 ? all.filter(({ key }) => key > keyMarker) : all.slice(at + 1);
    const page = all.slice(0, this.pageObjects);
    const isTruncated = page.length < all.length;
    const entries = page.map(({ key, version, isLatest }) => {
      const fields =
        `<Key>${escaped(key)}</Key><VersionId>${version.id}</VersionId>` +
        `<IsLatest>${isLatest}</IsLatest><LastModified>${dateOf(version.modified)}</LastModified>`;
      return version.bytes
        ? `<Version>${fields}<Size>${version.bytes.length}</Size></Version>`
        : `<DeleteMarker>${fields}</DeleteMarker>`;
    });
    const last = page.at(-1);
    const markers =
      isTruncated && last
        ? `<NextKeyMarker>${escaped(last.key)}</NextKeyMarker>` +
          `<NextVersionIdMarker>${last.version.id}</NextVersionIdMarker>`
        : "";
    return xml(
      "ListVersionsResult",
      `<IsTruncated>${isTruncated}</IsTruncated>${markers}${entries.join("")}`,
    );
  }

  private retain({ key, headers, body }: Asked): Answer {
    requireDigest(headers);
    const mode = /<Mode>(\w+)<\/Mode>/.exec(body.toString())?.[1] ?? "";
    const until = Date.parse(
      /<RetainUntilDate>([^<]+)<\/RetainUntilDate>/.exec(body.toString())?.[1] ?? "",
    );
    if (!/^(GOVERNANCE|COMPLIANCE)$/.test(mode) || Number.isNaN(until)) {
      throw new S3Refusal(400, "MalformedXML", "The XML you provided was not well-formed");
    }
    if (this.faults.ignoresLocks) return { status: 200 };
    this.bucket.retain(key, mode, until, headers["x-amz-bypass-governance-retention"] === "true");
    return { status: 200 };
  }

  private send(
    asked: Asked,
    response: ServerResponse,
    { status, headers, body = "" }: Answer,
  ): void {
    const bytes = Buffer.from(body);
    const isRead = asked.method === "GET" && asked.key !== "";
    const cuts = isRead && bytes.length > 0 && this.strikes("cut", this.faults.cutBodyEvery);
    const shortens =
      status === 206 && bytes.length > 0 && this.strikes("short", this.faults.shortBodyEvery);
    const sent = cuts || shortens ? bytes.subarray(0, bytes.length >> 1) : bytes;
    const length = shortens ? sent.length : bytes.length;
    response.writeHead(status, {
      "x-amz-request-id": "FAKE",
      date: new Date(this.now()).toUTCString(),
      ...headers,
      ...(status === 204 ? {} : { "content-length": length }),
    });
    if (asked.method === "HEAD") return void response.end();
    if (!cuts) return void response.end(sent);
    response.write(sent, () => response.socket?.destroy());
  }

  private refuse(method: string, response: ServerResponse, error: unknown): void {
    if (response.headersSent || response.destroyed) return;
    const refusal =
      error instanceof S3Refusal ? error : new S3Refusal(500, "InternalError", String(error));
    response.writeHead(refusal.status, {
      "x-amz-request-id": "FAKE",
      date: new Date(this.now()).toUTCString(),
      "content-type": "application/xml",
      ...refusal.headers,
    });
    const hasBody = method !== "HEAD" && refusal.status !== 304;
    response.end(
      hasBody
        ? `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${refusal.code}</Code>` +
            `<Message>${escaped(refusal.message)}</Message><RequestId>FAKE</RequestId></Error>`
        : undefined,
    );
  }
}

function kindOf({ method, key, query }: Asked): string {
  const isBucket = key === "";
  if (query.has("versioning")) return method === "GET" && isBucket ? "versioning" : "unknown";
  if (query.has("retention")) return method === "PUT" && !isBucket ? "retain" : "unknown";
  if (query.has("versions")) return method === "GET" && isBucket ? "listVersions" : "unknown";
  if (query.has("delete")) return method === "POST" && isBucket ? "deleteMany" : "unknown";
  if (isBucket) return method === "GET" && query.get("list-type") === "2" ? "list" : "unknown";
  const kinds: Record<string, string> = { PUT: "put", GET: "get", HEAD: "head", DELETE: "delete" };
  return kinds[method] ?? "unknown";
}

function requireDigest(headers: Asked["headers"]): void {
  if (headers["content-md5"] ?? headers["x-amz-checksum-crc32"]) return;
  throw new S3Refusal(
    400,
    "InvalidRequest",
    "Content-MD5 OR x-amz-checksum- HTTP header is required",
  );
}

/** The range of a header in an object of `size` bytes: start inclusive, end exclusive. */
function rangeIn(header: string, size: number): [number, number] {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header);
  const [, first = "", last = ""] = match ?? [];
  const start = first === "" ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === "" || last === "" ? size : Math.min(size, Number(last) + 1);
  if (!match || start >= end) {
    const headers = { "content-range": `bytes */${size}` };
    throw new S3Refusal(416, "InvalidRange", "The range is not satisfiable", headers);
  }
  return [start, end];
}

function crc32Of(body: Buffer): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc32(body));
  return bytes.toString("base64");
}

/** Seconds, as S3 gives them. */
const dateOf = (ms: number) => `${new Date(ms).toISOString().slice(0, 19)}.000Z`;

const etagOf = (bytes: Buffer) => `"${createHash("md5").update(bytes).digest("hex")}"`;

function xml(name: string, content: string): Answer {
  const namespace = "http://s3.amazonaws.com/doc/2006-03-01/";
  return {
    status: 200,
    headers: { "content-type": "application/xml" },
    body: `<?xml version="1.0" encoding="UTF-8"?>\n<${name} xmlns="${namespace}">${content}</${name}>`,
  };
}
