/**
 * A client for frame-level tests: it speaks the wire protocol and gives every response as the text the server sent,
 * so that a test can compare bytes: surrogates, which are no UTF-8, stand as escapes. It converts nothing and retries
 * nothing.
 */
import { createHash, createHmac, pbkdf2Sync, randomBytes, timingSafeEqual } from "node:crypto";
import { connect, type Socket } from "node:net";
import { textOfJson } from "../../src/server-text.js";

/** What carries bytes: a socket, or the in-process link of the simulated cluster. */
export interface ByteLink {
  send(bytes: Uint8Array): void;
  onData(listener: (bytes: Uint8Array) => void): void;
  onClose(listener: () => void): void;
  destroy(): void;
}

export interface ConnectOptions {
  host: string;
  port: number;
  user?: string;
  password?: string;
}

/** The server's own answer to a failed handshake. `code` is its `error_code`: 12 wrong password, 17 unknown user. */
export class HandshakeError extends Error {
  override readonly name = "HandshakeError";
  readonly code: number;

  constructor(message: string, code: number) {
    super(message);
    this.code = code;
  }
}

const START = 1;
const CONTINUE = 2;
const STOP = 3;
const NOREPLY_WAIT = 4;
const SERVER_INFO = 5;
const HEADER_BYTES = 12;

interface Waiter {
  resolve: (text: string) => void;
  reject: (error: Error) => void;
}

export class RawClient {
  readonly #link: ByteLink;
  #received = Buffer.alloc(0);
  #lastToken = 0n;
  #closed = false;
  readonly #unread = new Map<bigint, string[]>();
  readonly #waiters = new Map<bigint, Waiter[]>();
  readonly #onceClosed: (() => void)[] = [];

  /** Takes a link whose handshake is done, or that has none. */
  constructor(link: ByteLink) {
    this.#link = link;
    link.onData((bytes) => this.#receive(bytes));
    link.onClose(() => this.#close());
  }

  /** @throws {HandshakeError} when the server refuses the user. */
  static async connect(options: ConnectOptions): Promise<RawClient> {
    const socket = connect(options.port, options.host);
    socket.setNoDelay(true);
    const reader = new HandshakeReader(socket);
    await reader.connected;
    await shakeHands(socket, reader, options.user ?? "admin", options.password ?? "");
    return new RawClient(reader.intoLink());
  }

  /** Sends a START on a fresh token; gives the token. */
  start(term: unknown, optargs: Record<string, unknown> = {}): bigint {
    const token = this.freshToken();
    this.sendText(token, JSON.stringify([START, term, optargs]));
    return token;
  }

  /** The first response to a START, as text. */
  query(term: unknown, optargs: Record<string, unknown> = {}): Promise<string> {
    return this.next(this.start(term, optargs));
  }

  /** Sends a CONTINUE without waiting for its response. */
  more(token: bigint): void {
    this.sendText(token, JSON.stringify([CONTINUE]));
  }

  continue(token: bigint): Promise<string> {
    this.more(token);
    return this.next(token);
  }

  stop(token: bigint): Promise<string> {
    this.sendText(token, JSON.stringify([STOP]));
    return this.next(token);
  }

  noreplyWait(): Promise<string> {
    return this.#ask([NOREPLY_WAIT]);
  }

  serverInfo(): Promise<string> {
    return this.#ask([SERVER_INFO]);
  }

  /** The next response for the token, in the order of arrival. Rejects when the connection closes first. */
  next(token: bigint): Promise<string> {
    const text = this.#unread.get(token)?.shift();
    if (text !== undefined) return Promise.resolve(text);
    if (this.#closed) return Promise.reject(new Error("the connection is closed"));
    return new Promise((resolve, reject) => {
      listIn(this.#waiters, token).push({ resolve, reject });
    });
  }

  freshToken(): bigint {
    this.#lastToken += 1n;
    return this.#lastToken;
  }

  /** The first response to a query, given as its bytes. */
  queryBytes(body: Buffer): Promise<string> {
    const token = this.freshToken();
    this.#sendBytes(token, body);
    return this.next(token);
  }

  sendText(token: bigint, text: string): void {
    this.#sendBytes(token, Buffer.from(text, "utf8"));
  }

  #sendBytes(token: bigint, body: Buffer): void {
    const header = Buffer.alloc(HEADER_BYTES);
    header.writeBigUInt64LE(token, 0);
    header.writeUInt32LE(body.length, 8);
    this.#link.send(Buffer.concat([header, body]));
  }

  /** Resolves when the other side has closed, or `close` was called. */
  closed(): Promise<void> {
    return this.#closed
      ? Promise.resolve()
      : new Promise((resolve) => this.#onceClosed.push(resolve));
  }

  close(): void {
    this.#link.destroy();
    this.#close();
  }

  #ask(query: unknown): Promise<string> {
    const token = this.freshToken();
    this.sendText(token, JSON.stringify(query));
    return this.next(token);
  }

  #receive(bytes: Uint8Array): void {
    this.#received = Buffer.concat([this.#received, bytes]);
    while (this.#received.length >= HEADER_BYTES) {
      const end = HEADER_BYTES + this.#received.readUInt32LE(8);
      if (this.#received.length < end) return;
      const token = this.#received.readBigUInt64LE(0);
      this.#deliver(token, textOfJson(this.#received.subarray(HEADER_BYTES, end)));
      this.#received = this.#received.subarray(end);
    }
  }

  #deliver(token: bigint, text: string): void {
    const waiter = this.#waiters.get(token)?.shift();
    if (waiter) waiter.resolve(text);
    else listIn(this.#unread, token).push(text);
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const waiters of this.#waiters.values()) {
      for (const { reject } of waiters) reject(new Error("the connection was closed"));
    }
    for (const resolve of this.#onceClosed) resolve();
  }
}

function listIn<V>(lists: Map<bigint, V[]>, token: bigint): V[] {
  const list = lists.get(token) ?? [];
  lists.set(token, list);
  return list;
}

/** Reads NUL-terminated messages off a socket, then hands the socket on without losing a byte. */
class HandshakeReader {
  readonly connected: Promise<void>;
  readonly #socket: Socket;
  #buffer = Buffer.alloc(0);
  #waiter: Waiter | undefined;
  readonly #onData = (bytes: Buffer): void => {
    this.#buffer = Buffer.concat([this.#buffer, bytes]);
    this.#deliver();
  };
  readonly #onEnd = (): void => {
    this.#waiter?.reject(new Error("the connection was closed during the handshake"));
  };

  constructor(socket: Socket) {
    this.#socket = socket;
    this.connected = new Promise((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    socket.on("data", this.#onData);
    socket.on("close", this.#onEnd);
  }

  message(): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject };
      this.#deliver();
    });
  }

  intoLink(): ByteLink {
    const socket = this.#socket;
    socket.off("data", this.#onData);
    socket.off("close", this.#onEnd);
    // A reset connection gives an error before its close; the close is what the client acts on.
    socket.on("error", () => socket.destroy());
    const early = this.#buffer;
    return {
      send: (bytes) => void socket.write(bytes),
      onData: (listener) => {
        socket.on("data", listener);
        if (early.length > 0) listener(early);
      },
      onClose: (listener) => void socket.on("close", listener),
      destroy: () => void socket.destroy(),
    };
  }

  #deliver(): void {
    const end = this.#buffer.indexOf(0);
    if (end < 0 || !this.#waiter) return;
    const text = this.#buffer.toString("utf8", 0, end);
    this.#buffer = this.#buffer.subarray(end + 1);
    const { resolve } = this.#waiter;
    this.#waiter = undefined;
    resolve(text);
  }
}

interface HandshakeMessage {
  success: boolean;
  error?: string;
  error_code?: number;
  authentication?: string;
}

const VERSION_1_0 = Buffer.from([0xc3, 0xbd, 0xc2, 0x34]);

async function shakeHands(
  socket: Socket,
  reader: HandshakeReader,
  user: string,
  password: string,
): Promise<void> {
  const nonce = randomBytes(18).toString("base64");
  const first = `n=${user},r=${nonce}`;
  socket.write(VERSION_1_0);
  socket.write(
    `${JSON.stringify({ protocol_version: 0, authentication_method: "SCRAM-SHA-256", authentication: `n,,${first}` })}\0`,
  );
  accepted(socket, await reader.message());
  const serverFirst = accepted(socket, await reader.message()).authentication ?? "";
  const { final, signature } = scramProof(first, serverFirst, password);
  socket.write(`${JSON.stringify({ authentication: final })}\0`);
  const verdict = accepted(socket, await reader.message()).authentication ?? "";
  if (!timingSafeEqual(Buffer.from(verdict), Buffer.from(`v=${signature}`))) {
    socket.destroy();
    throw new HandshakeError("the server's signature is wrong", 0);
  }
}

function accepted(socket: Socket, text: string): HandshakeMessage {
  const message = JSON.parse(text) as HandshakeMessage;
  if (message.success) return message;
  socket.destroy();
  throw new HandshakeError(message.error ?? text, message.error_code ?? 0);
}

/** RFC 5802: the client's last message, and the signature that the server must answer with. */
function scramProof(
  first: string,
  serverFirst: string,
  password: string,
): { final: string; signature: string } {
  const attributes = new Map(
    serverFirst.split(",").map((part) => [part.slice(0, 1), part.slice(2)] as const),
  );
  const salt = Buffer.from(attributes.get("s") ?? "", "base64");
  const salted = pbkdf2Sync(password, salt, Number(attributes.get("i")), 32, "sha256");
  const withoutProof = `c=biws,r=${attributes.get("r") ?? ""}`;
  const message = `${first},${serverFirst},${withoutProof}`;
  const clientKey = hmac(salted, "Client Key");
  const clientSignature = hmac(createHash("sha256").update(clientKey).digest(), message);
  const proof = Buffer.from(clientKey.map((byte, i) => byte ^ (clientSignature[i] ?? 0)));
  return {
    final: `${withoutProof},p=${proof.toString("base64")}`,
    signature: hmac(hmac(salted, "Server Key"), message).toString("base64"),
  };
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}
