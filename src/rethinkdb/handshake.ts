/**
 * The handshake of the wire protocol, version 1.0: SCRAM-SHA-256 (RFC 5802 and 7677) in JSON messages that each end
 * with a NUL. The password is not sent, and the server must prove that it knows the password too.
 */
import { createHash, createHmac, pbkdf2, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";

/** The two directions of a pipe during a handshake. */
export interface Messages {
  send(bytes: Buffer): void;
  /** The server's next message, without its NUL; rejects when the pipe is gone. */
  next(): Promise<string>;
}

/** The server knows the protocol, but refuses us: for the user, the password, or another reason. */
export class HandshakeRefused extends Error {
  constructor(
    message: string,
    /** True if the server refused the user or the password. */
    readonly isAuthentication: boolean,
  ) {
    super(message);
  }
}

/** Magic number of version 1.0, 0x34c2bdc3, little-endian. */
const version = Buffer.from([0xc3, 0xbd, 0xc2, 0x34]);
const keyBytes = 32;
/** At most so many iterations: a server asks for 4096, and one that asks for many more would only keep us busy. */
const iterationsMax = 1_000_000;

/**
 * @param nonce random, and used only once
 * @throws {HandshakeRefused} if the server refuses us; Error if it is not a RethinkDB that knows the password
 */
export async function shakeHands(
  messages: Messages,
  { user, password }: { user: string; password: string },
  nonce: string,
): Promise<void> {
  const name = user.replaceAll("=", "=3D").replaceAll(",", "=2C");
  const clientFirst = `n=${name},r=${nonce}`;
  messages.send(version);
  send(messages, {
    protocol_version: 0,
    authentication_method: "SCRAM-SHA-256",
    authentication: `n,,${clientFirst}`,
  });
  // The first answer is to the magic number, and states versions.
  await receive(messages);
  const serverFirst = await receive(messages);
  const { r, s, i } = attributesOf(serverFirst);
  const iterations = Number(i);
  if (!r?.startsWith(nonce) || s === undefined || !(iterations > 0 && iterations <= iterationsMax))
    throw new Error("the server's part of the handshake is not valid");
  const salt = Buffer.from(s, "base64");
  const salted = await promisify(pbkdf2)(password, salt, iterations, keyBytes, "sha256");
  const withoutProof = `c=biws,r=${r}`;
  const all = `${clientFirst},${serverFirst},${withoutProof}`;
  const clientKey = hmac(salted, "Client Key");
  const signature = hmac(createHash("sha256").update(clientKey).digest(), all);
  const proof = clientKey.map((byte, at) => byte ^ signature[at]!);
  send(messages, { authentication: `${withoutProof},p=${Buffer.from(proof).toString("base64")}` });
  const { v } = attributesOf(await receive(messages));
  const theirs = Buffer.from(v ?? "", "base64");
  const expected = hmac(hmac(salted, "Server Key"), all);
  if (theirs.length !== expected.length || !timingSafeEqual(theirs, expected))
    throw new Error("the server did not prove that it knows the password");
}

function send(messages: Messages, message: object): void {
  messages.send(Buffer.from(`${JSON.stringify(message)}\0`));
}

/** The `authentication` of the next message, "" if it has none. */
async function receive(messages: Messages): Promise<string> {
  const text = await messages.next();
  const { success, error, error_code: code, authentication } = parse(text);
  if (success === true) return typeof authentication === "string" ? authentication : "";
  const isAuthentication = typeof code === "number" && code >= 10 && code <= 20;
  throw new HandshakeRefused(
    typeof error === "string" ? error : "no reason given",
    isAuthentication,
  );
}

function parse(text: string): Record<string, unknown> {
  try {
    const message: unknown = JSON.parse(text);
    if (typeof message === "object" && message !== null) return message as Record<string, unknown>;
  } catch {
    // Old servers and other programs greet with plain text. The error below shows it.
  }
  throw new Error(
    `what answers there is not RethinkDB 2.3 or later: ${JSON.stringify(text.slice(0, 100))}`,
  );
}

/** `r=…,s=…` as an object; a value may hold "=". */
function attributesOf(message: string): Partial<Record<string, string>> {
  return Object.fromEntries(message.split(",").map((part) => [part.slice(0, 1), part.slice(2)]));
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}
