/** A bucket whose certificate nobody here has signed: it is said at once, with what helps. */
import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { storeAt } from "../../src/storage/store-at.js";
import { failureOfCertificate } from "../../src/storage/untrusted.js";
import { useTestCredentials } from "./s3-servers.js";

let directory: string;
let server: Server;
let endpoint: string;

beforeAll(async () => {
  useTestCredentials();
  directory = await mkdtemp(join(tmpdir(), "thinkback-tls-"));
  const [key, cert] = [join(directory, "key.pem"), join(directory, "cert.pem")];
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
  const out = ["-keyout", key, "-out", cert, "-days", "1"];
  execFileSync("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", ...out, ...subject], {
    stdio: "ignore",
  });
  server = createServer({ key: await readFile(key), cert: await readFile(cert) }, (_, response) => {
    response.writeHead(404, { "content-type": "application/xml" });
    response.end("<Error><Code>NoSuchKey</Code></Error>");
  });
  await new Promise<void>((done) => server.listen(0, done));
  endpoint = `https://localhost:${(server.address() as AddressInfo).port}`;
});

afterAll(async () => {
  vi.unstubAllEnvs();
  server.closeAllConnections();
  server.close();
  await rm(directory, { recursive: true });
});

test("S3: unsupported, with the option ca; which helps", async () => {
  const location = `s3://backups/a?endpoint=${endpoint}`;
  await expect(storeAt(location).get("a")).rejects.toMatchObject({
    failure: "unsupported",
    message: expect.stringContaining("the certificate of s3://backups/a is not trusted") as string,
    hint: expect.stringContaining("ca=") as string,
  });
  const trusting = storeAt(`${location}&ca=${join(directory, "cert.pem")}`);
  await expect(trusting.get("a")).rejects.toMatchObject({ failure: "missing" });
});

test("Azure: unsupported, with the variable of Node.js", async () => {
  vi.stubEnv("AZURE_STORAGE_KEY", "a2V5");
  const store = storeAt(`azblob://backups/a?account=acme&endpoint=${endpoint}`);
  await expect(store.get("a")).rejects.toMatchObject({
    failure: "unsupported",
    hint: expect.stringContaining("NODE_EXTRA_CA_CERTS") as string,
  });
});

test("one that has expired is waited for, and another failure of a connection is none of a certificate", () => {
  const found = (code: string) =>
    failureOfCertificate(code, "s3://b", "said", "trust it", undefined);
  expect(found("CERT_HAS_EXPIRED")?.failure).toBe("forbidden");
  expect(found("ECONNRESET")).toBeUndefined();
});
