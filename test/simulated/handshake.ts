/** The server's side of the V1_0 handshake, fed with bytes as they come. */
import { SERVER_VERSION } from "./engine.js";
import type { Random } from "./random.js";
import { AuthenticationError, ScramServer } from "./scram.js";
import type { User } from "./users.js";

const VERSION_1_0 = 0x34c2bdc3;
const MESSAGE_BYTES_MAX = 2048;

export interface HandshakeResult {
  /** What to send. */
  readonly reply: string;
  /** Set when the handshake is over: the user, or undefined for a refusal, after which the connection closes. */
  readonly done?: { readonly user: string | undefined; readonly rest: Buffer };
}

export class Handshake {
  readonly #findUser: (name: string) => User | undefined;
  readonly #random: Random;
  readonly #scram = new ScramServer();
  #received: Buffer = Buffer.alloc(0);
  #step: "version" | "first" | "final" = "version";

  constructor(findUser: (name: string) => User | undefined, random: Random) {
    this.#findUser = findUser;
    this.#random = random;
  }

  receive(bytes: Uint8Array): HandshakeResult {
    this.#received = Buffer.concat([this.#received, bytes]);
    let reply = "";
    try {
      for (let message = this.#next(); message !== undefined; message = this.#next()) {
        reply += this.#answer(message);
        if (this.#scram.authenticated !== undefined) {
          return { reply, done: { user: this.#scram.authenticated, rest: this.#received } };
        }
      }
    } catch (error) {
      return { reply: reply + refusal(error), done: { user: undefined, rest: Buffer.alloc(0) } };
    }
    return { reply };
  }

  /** The next whole message; the version's magic number counts as the message "". */
  #next(): string | undefined {
    if (this.#step === "version") {
      if (this.#received.length < 4) return undefined;
      if (this.#received.readUInt32LE(0) !== VERSION_1_0) throw new UnsupportedVersion();
      this.#received = this.#received.subarray(4);
      return "";
    }
    const end = this.#received.indexOf(0);
    if (end < 0 && this.#received.length >= MESSAGE_BYTES_MAX) {
      throw new AuthenticationError(7, "Limited read buffer size.");
    }
    if (end < 0) return undefined;
    const message = this.#received.toString("utf8", 0, end);
    this.#received = this.#received.subarray(end + 1);
    return message;
  }

  #answer(message: string): string {
    if (this.#step === "version") {
      this.#step = "first";
      return terminated({
        max_protocol_version: 0,
        min_protocol_version: 0,
        server_version: SERVER_VERSION,
        success: true,
      });
    }
    const authentication = readAuthentication(message, this.#step === "first");
    if (this.#step === "first") {
      this.#step = "final";
      const reply = this.#scram.first(authentication, this.#findUser, this.#random);
      return terminated({ authentication: reply, success: true });
    }
    return terminated({ authentication: this.#scram.final(authentication), success: true });
  }
}

class UnsupportedVersion extends Error {}

function refusal(error: unknown): string {
  if (error instanceof AuthenticationError) {
    return terminated({ error: error.message, error_code: error.code, success: false });
  }
  if (error instanceof UnsupportedVersion) {
    return "ERROR: Received an unsupported protocol version. This port is for RethinkDB queries. Does your client driver version not match the server?\n\0";
  }
  throw error;
}

function terminated(message: Record<string, unknown>): string {
  return `${JSON.stringify(message)}\0`;
}

function readAuthentication(text: string, isFirst: boolean): string {
  const message = parseMessage(text);
  if (isFirst) {
    if (typeof message["protocol_version"] !== "number") {
      throw new AuthenticationError(1, "Expected a number for `protocol_version`.");
    }
    if (message["protocol_version"] !== 0) {
      throw new AuthenticationError(2, "Unsupported `protocol_version`.");
    }
    if (message["authentication_method"] !== "SCRAM-SHA-256") {
      throw new AuthenticationError(4, "Unsupported `authentication_method`.");
    }
  }
  if (typeof message["authentication"] === "string") return message["authentication"];
  throw new AuthenticationError(5, "Expected a string for `authentication`.");
}

function parseMessage(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch (error) {
    if (error instanceof SyntaxError) throw new AuthenticationError(8, "Invalid JSON object.");
    throw error;
  }
}
