/** TLS against a real server: what is accepted, and how each refusal is told. */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runCommandLine } from "../../src/cli/program.js";
import { exitStatus } from "../../src/errors.js";
import { parseAddress } from "../../src/rethinkdb/address.js";
import { dialer } from "../../src/rethinkdb/channel.js";
import { Connection } from "../../src/rethinkdb/connection.js";
import { r } from "../../src/rethinkdb/reql.js";
import type { TestServer } from "../server/find-server.js";
import { findBinary, startBinary } from "../server/real-server.js";

const openssl = (...args: string[]) => promisify(execFile)("openssl", args);
const newKey = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes".split(" ");
const name = "db.example";

let directory: string;
const servers: TestServer[] = [];
let plain: TestServer;
/** One that asks its clients for a certificate. */
let strict: TestServer;
let expired: TestServer;

const at = (file: string) => join(directory, file);

async function makeAuthority(ca: string): Promise<void> {
  const files = ["-keyout", at(`${ca}.key`), "-out", at(`${ca}.pem`)];
  await openssl("req", "-x509", ...newKey, "-subj", `/CN=${ca}`, "-days", "2", ...files);
}

/** A certificate for `db.example`, and for the loopback interface if `loopback` is set. @param days -1: expired */
async function makeCertificate(of: string, ca: string, days = 2, loopback = true): Promise<void> {
  const request = ["-keyout", at(`${of}.key`), "-out", at(`${of}.csr`)];
  const names = `subjectAltName=DNS:${name}${loopback ? ",DNS:localhost,IP:127.0.0.1" : ""}`;
  await openssl("req", ...newKey, "-subj", `/CN=${of}`, "-addext", names, ...request);
  const signed = ["-CA", at(`${ca}.pem`), "-CAkey", at(`${ca}.key`), "-out", at(`${of}.pem`)];
  const lasting = ["-copy_extensions", "copy", "-days", String(days)];
  await openssl("x509", "-req", "-in", at(`${of}.csr`), ...lasting, ...signed);
}

/** Whether the port takes a connection. */
const accepts = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(port, "127.0.0.1", () => resolve(true));
    socket.on("connect", () => socket.destroy()).on("error", () => resolve(false));
  });

async function startTls(of: string, ...more: string[]): Promise<TestServer> {
  const files = ["--driver-tls-key", at(`${of}.key`), "--driver-tls-cert", at(`${of}.pem`)];
  const server = await startBinary([...files, ...more], accepts);
  servers.push(server);
  return server;
}

const why = (await findBinary()) === undefined ? "needs a `rethinkdb` on the PATH" : undefined;
if (why !== undefined) console.log(`TLS against a real server: skipped, ${why}`);

describe.skipIf(why !== undefined)("TLS", () => {
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "thinkback-tls-"));
    await Promise.all([makeAuthority("ours"), makeAuthority("other")]);
    await Promise.all([
      makeCertificate("far", "ours", 2, false),
      makeCertificate("near", "ours"),
      makeCertificate("old", "ours", -1),
      makeCertificate("client", "ours"),
      makeCertificate("stranger", "other"),
    ]);
    await writeFile(at("garbage.pem"), "nothing");
    [plain, strict, expired] = await Promise.all([
      startTls("far"),
      startTls("near", "--driver-tls-ca", at("ours.pem")),
      startTls("old"),
    ]);
  });

  afterAll(async () => {
    await Promise.all(servers.map((server) => server.stop()));
    await rm(directory, { recursive: true, force: true });
  });

  const address = ({ port }: TestServer, options: string) =>
    `rethinkdb://127.0.0.1:${port}?${options}`;

  async function ask(url: string): Promise<unknown> {
    const connection = new Connection(await dialer(parseAddress(url), "source")());
    try {
      return await connection.value(r.expr(1));
    } finally {
      connection.close();
    }
  }

  const ours = () => `ca=${at("ours.pem")}`;
  const pair = (of: string, key = of) => `cert=${at(`${of}.pem`)}&key=${at(`${key}.key`)}`;

  test("is made where the name, the authority and the client's certificate are right", async () => {
    expect(await ask(address(plain, `${ours()}&servername=${name}`))).toBe(1);
    expect(await ask(address(strict, `${ours()}&${pair("client")}`))).toBe(1);
    expect(await ask(address(plain, "insecure=true"))).toBe(1);
    expect(await ask(address(expired, "insecure=true"))).toBe(1);
  });

  test("is made with certificates that were renewed in their files", async () => {
    await writeFile(at("renewed.pem"), await readFile(at("other.pem")));
    const dial = dialer(
      parseAddress(address(strict, `ca=${at("renewed.pem")}&${pair("client")}`)),
      "source",
    );
    await expect(dial()).rejects.toThrow("cannot connect");
    await writeFile(at("renewed.pem"), await readFile(at("ours.pem")));
    (await dial()).destroy();
  });

  type Case = [what: string, url: () => string, message: RegExp, hint: RegExp];
  const cases: Case[] = [
    ["no authority", () => address(strict, "tls=true"), /certificate/, /ca=FILE/],
    ["another authority", () => address(strict, `ca=${at("other.pem")}`), /certificate/, /ca=FILE/],
    ["another name", () => address(plain, ours()), /127\.0\.0\.1/, /servername=NAME/],
    [
      "another servername",
      () => address(strict, `${ours()}&servername=else.example`),
      /else\.example/,
      /other names than else\.example/,
    ],
    ["an expired certificate", () => address(expired, ours()), /expired/, /valid now/],
    [
      "no client's certificate",
      () => address(strict, ours()),
      /right after the handshake of TLS/,
      /may ask clients for a certificate: give one with cert=FILE and key=FILE/,
    ],
    [
      "a client's certificate of another authority",
      () => address(strict, `${ours()}&${pair("stranger")}`),
      /right after the handshake of TLS/,
      /--driver-tls-ca/,
    ],
    [
      "a missing authority",
      () => address(strict, `ca=${at("none.pem")}`),
      /cannot read ca=.*none\.pem: ENOENT/,
      /file that ca= names/,
    ],
    [
      "an authority that is none",
      () => address(strict, `ca=${at("garbage.pem")}`),
      /holds no certificate/,
      /BEGIN CERTIFICATE/,
    ],
    [
      "a missing key",
      () => address(strict, `${ours()}&${pair("client", "none")}`),
      /cannot read key=.*none\.key: ENOENT/,
      /file that key= names/,
    ],
    [
      "a key of another certificate",
      () => address(strict, `${ours()}&${pair("client", "stranger")}`),
      /are not a pair/,
      /made with it/,
    ],
    ["no TLS", () => address(plain, "tls=false"), /cannot connect/, /add \?tls=true/],
  ];

  test.each(cases)("with %s is refused, with a way out", async (_, url, message, hint) => {
    await expect(ask(url())).rejects.toMatchObject({
      code: "source",
      message: expect.stringMatching(message),
      hint: expect.stringMatching(hint),
    });
  });

  async function run(...args: string[]) {
    let printed = "";
    const stream = { write: (text: string) => (printed += text) };
    const surroundings = { environment: {}, directory };
    const streams = { stdout: stream, stderr: stream };
    return { status: await runCommandLine(args, streams, surroundings), printed };
  }

  test("that fails ends a command with the status of the source or the target", async () => {
    const wrong = address(strict, ours());
    const captured = await run("run", "--once", "--source", wrong, "--repo", at("never"));
    expect(captured.printed).toMatch(/cert=FILE and key=FILE/);
    expect(captured.status).toBe(exitStatus.source);
    const good = address(strict, `${ours()}&${pair("client")}`);
    const once = ["run", "--once", "--log-level", "error"];
    const backedUp = await run(...once, "--source", good, "--repo", at("repository"));
    expect([backedUp.status, backedUp.printed]).toEqual([0, expect.stringContaining("copied")]);
    const restored = await run("restore", "--repo", at("repository"), "--target", wrong);
    expect(restored.status).toBe(exitStatus.target);
    const odd = await run("run", "--source", address(strict, "cert=x"), "--repo", at("never"));
    expect(odd.printed).toMatch(/cert=FILE without key=FILE/);
    expect(odd.status).toBe(exitStatus.usage);
  });

  test("that checks nothing is warned of at each start", async () => {
    const target = ["--target", address(plain, "insecure=true")];
    const { printed, status } = await run("restore", "--repo", at("repository"), ...target);
    expect(printed).toMatch(/insecure=true: the certificate of 127\.0\.0\.1 is not checked/);
    expect(status).toBe(0);
    const checked = address(plain, `${ours()}&servername=${name}`);
    const { printed: other } = await run("drill", "--repo", at("repository"), "--target", checked);
    expect(other).not.toContain("insecure");
  });
});
