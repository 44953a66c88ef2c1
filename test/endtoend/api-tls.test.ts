/** The API with a certificate of its own: whoever asks does so by TLS 1.2 or later, or not at all. */
import { execFile } from "node:child_process";
import { copyFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { request } from "node:https";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type ConnectionOptions,
  createServer,
  type SecureVersion,
  connect as secureConnect,
} from "node:tls";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runCommandLine } from "../../src/cli/program.js";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import { makeRepository } from "../repository/recording.js";
import { cliJson, type Running, start } from "./cli.js";
import { stop, until } from "./stage.js";

let directory: string;
let repo: string;
let api: Running;
let port: number;
let ca: Buffer;
let serving: string[];

const at = (name: string) => join(directory, name);
const openssl = (...args: string[]) => promisify(execFile)("openssl", args);
const newKey = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes".split(" ");

/** A certificate of 127.0.0.1 that an authority of its own has signed. */
async function certify(name: string): Promise<void> {
  const [authority, key] = [at(`${name}-ca`), at(`${name}.key`)];
  const root = ["-keyout", `${authority}.key`, "-out", `${authority}.pem`];
  await openssl("req", "-x509", ...newKey, "-subj", `/CN=${name}-ca`, "-days", "2", ...root);
  const names = ["-addext", "subjectAltName=IP:127.0.0.1"];
  const asked = ["-keyout", key, "-out", at(`${name}.csr`)];
  await openssl("req", ...newKey, "-subj", `/CN=${name}`, ...names, ...asked);
  const signer = ["-CA", `${authority}.pem`, "-CAkey", `${authority}.key`, "-CAcreateserial"];
  const made = ["-days", "2", "-copy_extensions", "copy", "-out", at(`${name}.pem`)];
  await openssl("x509", "-req", "-in", at(`${name}.csr`), ...signer, ...made);
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "thinkback-tls-"));
  repo = at("repository");
  await makeRepository(new DirectoryStore(repo));
  await Promise.all(["served", "other"].map(certify));
  ca = await readFile(at("served-ca.pem"));
  serving = ["run", "--role", "api", "--repo", repo, "--api", "127.0.0.1:0"];
  api = start([...serving, "--api-cert", at("served.pem"), "--api-key", at("served.key")]);
  await until("the API is served", () => /"api":"https:/.test(api.stderr()));
  port = Number(/"api":"https:\/\/[^"]*:(\d+)"/.exec(api.stderr())![1]);
});

afterAll(async () => {
  await stop(api);
  await rm(directory, { recursive: true, force: true });
});

interface Asking {
  headers?: Record<string, string>;
  tls?: ConnectionOptions;
}

function ask(path: string, { headers = {}, tls = { ca } }: Asking = {}) {
  return new Promise<{ status: number; text: string }>((resolve, reject) => {
    const to = { host: "127.0.0.1", port, path, headers, agent: false as const, ...tls };
    const sent = request(to, (answer) => {
      let text = "";
      answer.on("data", (bytes: Buffer) => (text += bytes.toString()));
      answer.on("end", () => resolve({ status: answer.statusCode!, text }));
    });
    sent.on("error", reject);
    sent.end();
  });
}

/** The version that is agreed on if the client speaks only this one; rejects if there is none. */
function agreed(to: number, version: SecureVersion, more: ConnectionOptions = { ca }) {
  return new Promise<string | null>((resolve, reject) => {
    // The client's own rules would rule out the old ones.
    const old = { ciphers: "DEFAULT@SECLEVEL=0", minVersion: version, maxVersion: version };
    const socket = secureConnect({ host: "127.0.0.1", port: to, ...old, ...more }, () => {
      resolve(socket.getProtocol());
      socket.end();
    });
    socket.on("error", reject);
  });
}

test("a client that trusts the authority asks as usual", async () => {
  const made = ["token", "create", "anna", "--role", "viewer", "--repo", repo];
  const { token } = await cliJson<{ token: string }>(made);
  expect(await ask("/livez")).toEqual({ status: 200, text: '{"alive":true}' });
  expect((await ask("/v1/marks")).status).toBe(401);
  const headers = { authorization: `Bearer ${token}` };
  expect(await ask("/v1/marks", { headers })).toEqual({ status: 200, text: '{"marks":[]}' });
  const host = `127.0.0.1:${port}`;
  const from = async (origin: string) =>
    (await ask("/v1/marks", { headers: { ...headers, host, origin } })).status;
  expect([await from(`https://${host}`), await from(`http://${host}`)]).toEqual([200, 403]);
});

test("one that trusts another authority does not", async () => {
  const tls = { ca: await readFile(at("other-ca.pem")) };
  await expect(ask("/livez", { tls })).rejects.toMatchObject({
    code: expect.stringMatching(/UNABLE_TO_(VERIFY_LEAF_SIGNATURE|GET_ISSUER_CERT_LOCALLY)/),
  });
});

test("plain HTTP gets no answer", async () => {
  const answered = await new Promise<string>((resolve) => {
    const socket = connect(port, "127.0.0.1", () =>
      socket.write(`GET /livez HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\n\r\n`),
    );
    let text = "";
    socket.on("data", (bytes) => (text += bytes.toString("latin1")));
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(text));
  });
  expect(answered).not.toMatch(/HTTP|alive/);
  // It is no worse off for it.
  expect((await ask("/livez")).status).toBe(200);
});

describe("a version of TLS", () => {
  test.each(["TLSv1.2", "TLSv1.3"] as const)("%s is spoken", async (version) => {
    expect(await agreed(port, version)).toBe(version);
  });

  test.each(["TLSv1", "TLSv1.1"] as const)("%s is refused by the server", async (version) => {
    await expect(agreed(port, version)).rejects.toMatchObject({
      code: "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION",
    });
    // The same client comes to terms with a server that does speak it.
    const [cert, key] = await Promise.all([readFile(at("served.pem")), readFile(at("served.key"))]);
    const old = { cert, key, minVersion: version, ciphers: "DEFAULT@SECLEVEL=0" };
    const server = createServer(old).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    expect(await agreed((server.address() as AddressInfo).port, version)).toBe(version);
    await new Promise((resolve) => server.close(resolve));
  });
});

describe("what cannot be served is refused before anything begins", () => {
  const refused = async (...args: string[]) => {
    let stderr = "";
    const stream = (text: string | Uint8Array) => (stderr += Buffer.from(text).toString());
    const streams = { stdout: { write: stream }, stderr: { write: stream } };
    const surroundings = { environment: {}, directory };
    return [await runCommandLine([...serving, ...args], streams, surroundings), stderr] as const;
  };

  test("a certificate of another key", async () => {
    const both = ["--api-cert", at("served.pem"), "--api-key", at("other.key")];
    expect(await refused(...both)).toEqual([2, expect.stringContaining("cannot be used")]);
  });

  test("a certificate without a key", async () => {
    expect(await refused("--api-cert", at("served.pem"))).toEqual([
      2,
      expect.stringContaining("go together"),
    ]);
  });

  test("a file that is not there, and one that is no key", async () => {
    const cert = ["--api-cert", at("served.pem"), "--api-key"];
    const gone = await refused(...cert, at("gone.key"));
    expect(gone).toEqual([2, expect.stringContaining("cannot be read")]);
    await copyFile(at("served.csr"), at("csr.key"));
    const noKey = await refused(...cert, at("csr.key"));
    expect(noKey).toEqual([2, expect.stringContaining("cannot be used")]);
  });
});
