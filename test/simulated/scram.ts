/** The server's side of SCRAM-SHA-256 (RFC 5802, 7677), with the messages and codes of RethinkDB. */
import { createHash, createHmac, pbkdf2Sync } from "node:crypto";
import type { Random } from "./random.js";
import type { User } from "./users.js";

const ITERATIONS = 4096;

export class AuthenticationError extends Error {
  override readonly name = "AuthenticationError";
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

export class ScramServer {
  #user: User | undefined;
  #firstBare = "";
  #serverFirst = "";
  #nonce = "";

  /** The user's name, once the proof has been accepted. */
  authenticated: string | undefined;

  /** @throws {AuthenticationError} */
  first(message: string, findUser: (name: string) => User | undefined, random: Random): string {
    if (!message.startsWith("n,"))
      throw new AuthenticationError(15, "Channel binding is not supported");
    const bareFrom = message.indexOf(",", 2) + 1;
    if (bareFrom === 0) throw invalidEncoding();
    this.#firstBare = message.slice(bareFrom);
    const attributes = splitAttributes(this.#firstBare);
    const [name, nonce] = [attributes.get("n"), attributes.get("r")];
    if (name === undefined || nonce === undefined) throw invalidEncoding();
    this.#user = findUser(name);
    this.#nonce = nonce + random.bytes(18).toString("base64");
    const salt = this.#user?.salt ?? random.bytes(16);
    this.#serverFirst = `r=${this.#nonce},s=${salt.toString("base64")},i=${ITERATIONS}`;
    return this.#serverFirst;
  }

  /** @throws {AuthenticationError} with code 17 for an unknown user and 12 for a wrong password */
  final(message: string): string {
    if (!this.#user) throw new AuthenticationError(17, "Unknown user");
    const attributes = splitAttributes(message);
    const proof = attributes.get("p");
    if (attributes.get("c") !== "biws" || proof === undefined) throw invalidEncoding();
    if (attributes.get("r") !== this.#nonce) throw new AuthenticationError(20, "Other error");
    const salted = pbkdf2Sync(this.#user.password, this.#user.salt, ITERATIONS, 32, "sha256");
    const withoutProof = message.slice(0, message.indexOf(",p="));
    const authMessage = `${this.#firstBare},${this.#serverFirst},${withoutProof}`;
    if (proof !== clientProof(salted, authMessage))
      throw new AuthenticationError(12, "Wrong password");
    this.authenticated = this.#user.name;
    return `v=${hmac(hmac(salted, "Server Key"), authMessage).toString("base64")}`;
  }
}

function clientProof(salted: Buffer, authMessage: string): string {
  const key = hmac(salted, "Client Key");
  const signature = hmac(createHash("sha256").update(key).digest(), authMessage);
  return Buffer.from(key.map((byte, i) => byte ^ signature.readUInt8(i))).toString("base64");
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}

function splitAttributes(message: string): Map<string, string> {
  return new Map(
    message.split(",").map((part) => {
      if (part[1] !== "=") throw invalidEncoding();
      return [part.slice(0, 1), part.slice(2)];
    }),
  );
}

function invalidEncoding(): AuthenticationError {
  return new AuthenticationError(10, "Invalid encoding");
}
