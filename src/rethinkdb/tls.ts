/** TLS to a server: what the address asks for as options of Node, and what to do when it fails. */
import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { type ConnectionOptions, createSecureContext } from "node:tls";
import { messageOf } from "../errors.js";
import type { Address, Tls } from "./address.js";

/** A file of the address that cannot be used for TLS. */
export class UnusableTlsFile extends Error {
  constructor(
    message: string,
    readonly hint: string,
    cause?: unknown,
  ) {
    super(message, { cause });
  }
}

/**
 * The server has ended the connection as soon as it was secure. So does RethinkDB 2.4.4 with a client whose certificate
 * is missing or not accepted, without a word: by TLS 1.3 that is checked when the client takes the handshake for done.
 */
export class EndedAfterTls extends Error {
  constructor(message: string) {
    super(`the server ended the connection right after the handshake of TLS (${message})`);
  }
}

/**
 * Reads the files anew for each connection, so that a renewed certificate is taken up.
 * @throws {UnusableTlsFile} if one of them cannot be read, or is not what it should be
 */
export async function tlsOptions(tls: Tls, host: string): Promise<ConnectionOptions> {
  const { caFile, serverName, client, insecure } = tls;
  const name = serverName ?? (isIP(host) === 0 ? host : undefined);
  const files = {
    ...(caFile === undefined ? {} : { ca: await pemIn("ca", caFile, "CERTIFICATE") }),
    ...(client ? await pairIn(client) : {}),
  };
  return {
    ...files,
    ...(name === undefined ? {} : { servername: name }),
    rejectUnauthorized: insecure !== true,
  };
}

async function pairIn({ certFile, keyFile }: NonNullable<Tls["client"]>) {
  const pair = {
    cert: await pemIn("cert", certFile, "CERTIFICATE"),
    key: await pemIn("key", keyFile, "PRIVATE KEY"),
  };
  try {
    createSecureContext(pair);
  } catch (error) {
    throw new UnusableTlsFile(
      `cert=${certFile} and key=${keyFile} are not a pair: ${messageOf(error)}`,
      "give the certificate and the key that was made with it, without a passphrase",
      error,
    );
  }
  return pair;
}

async function pemIn(option: string, path: string, what: string): Promise<Buffer> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    const hint = `check the file that ${option}= names, and that this user may read it`;
    throw new UnusableTlsFile(`cannot read ${option}=${path}: ${messageOf(error)}`, hint, error);
  }
  if (new RegExp(`-----BEGIN [A-Z ]*${what}-----`).test(bytes.toString("latin1"))) return bytes;
  throw new UnusableTlsFile(
    `${option}=${path} holds no ${what.toLowerCase()} in PEM form`,
    `give a file with a line -----BEGIN ${what}-----`,
  );
}

/** Codes of a certificate that no trusted authority has signed. */
const untrusted = [
  "SELF_SIGNED_CERT_IN_CHAIN",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "CERT_SIGNATURE_FAILURE",
];

/** Codes by which a server ends a connection whose client has no certificate, or one that it does not trust. */
const clientRefused =
  /ALERT_CERTIFICATE_REQUIRED|ALERT_HANDSHAKE_FAILURE|ALERT_BAD_CERTIFICATE|ALERT_UNKNOWN_CA/;

/** What to do about a failure of TLS; undefined if it is none. */
export function tlsHint(error: unknown, { tls, host }: Address): string | undefined {
  if (error instanceof UnusableTlsFile) return error.hint;
  if (!tls) return undefined;
  const { code = "" } = error as NodeJS.ErrnoException;
  if (untrusted.includes(code)) {
    return "no authority that is trusted has signed the server's certificate: give that authority's certificate with ca=FILE";
  }
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
    return `the server's certificate is for other names than ${tls.serverName ?? host}: give one of its names with servername=NAME, if this is the right server`;
  }
  if (code === "CERT_HAS_EXPIRED" || code === "CERT_NOT_YET_VALID") {
    return "give the server a certificate that is valid now; check the clock of this machine too";
  }
  if (error instanceof EndedAfterTls || clientRefused.test(code)) {
    return tls.client
      ? "the server does not accept the client's certificate: give one of an authority that its --driver-tls-ca names, with cert=FILE and key=FILE"
      : "the server may ask clients for a certificate: give one with cert=FILE and key=FILE";
  }
  return undefined;
}
