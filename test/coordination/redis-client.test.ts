/** How a real Redis is reached: by TLS, with a password, and by Sentinels that replace the master. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { looksAtRedis } from "../../src/cli/redis-at.js";
import { parseRedisAddress } from "../../src/coordination/redis-address.js";
import {
  firstConnect,
  type RedisClient,
  redisClient,
} from "../../src/coordination/redis-client.js";
import { until } from "../endtoend/stage.js";
import { whyNotLong } from "../long.js";
import { freePort, RedisServer } from "../server/redis-server.js";

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "thinkback-redis-client-"));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const clientOf = (text: string) => redisClient(parseRedisAddress(text, "--redis"));

async function looked(text: string) {
  const client = clientOf(text);
  try {
    const { findings, isAway } = await looksAtRedis(client);
    const failed = findings.find(({ outcome }) => outcome === "failed");
    return { failed: failed?.text, isAway };
  } finally {
    client.disconnect();
  }
}

const fit = { failed: undefined, isAway: false };

test("by TLS: with the authority's certificate, and not without it or under another name", async () => {
  const openssl = (...args: string[]) =>
    execFileSync("openssl", args, { cwd: directory, stdio: "pipe" });
  const key = ["-newkey", "rsa:2048", "-nodes"];
  openssl("req", "-x509", ...key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=authority");
  openssl("req", ...key, "-keyout", "s.key", "-out", "s.csr", "-subj", "/CN=cache");
  await writeFile(join(directory, "names"), "subjectAltName=DNS:cache");
  const signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names"];
  openssl("x509", "-req", "-in", "s.csr", "-out", "s.pem", ...signed);
  const tlsPort = await freePort();
  const file = (name: string) => join(directory, name);
  const files = ["--tls-cert-file", file("s.pem"), "--tls-key-file", file("s.key")];
  const authority = ["--tls-ca-cert-file", file("ca.pem"), "--tls-auth-clients", "no"];
  const port = ["--tls-port", String(tlsPort)];
  const server = await RedisServer.start(...port, ...files, ...authority);
  try {
    const address = `rediss://127.0.0.1:${tlsPort}`;
    expect(await looked(`${address}?ca=${file("ca.pem")}&servername=cache`)).toEqual(fit);
    expect((await looked(`${address}?servername=cache`)).failed).toMatch(/certificate/);
    expect((await looked(`${address}?ca=${file("ca.pem")}&servername=other`)).failed).toMatch(
      /cache/,
    );
    expect(() => clientOf(`${address}?ca=${file("none")}`)).toThrow(/cannot read ca=/);
    expect(() => clientOf(`${address}?ca=${file("names")}`)).toThrow(/no certificate/);
  } finally {
    await server.stop();
  }
});

test("with a password, without which it is refused for good", async () => {
  const server = await RedisServer.start();
  await server.ask(async (one) => {
    await one.acl("SETUSER", "guest", "on", ">secret", "~*", "&*", "+@all");
    await one.acl("SETUSER", "default", "off");
  });
  try {
    expect(await looked(`redis://guest:secret@127.0.0.1:${server.port}/1`)).toEqual(fit);
    expect(await looked(`redis://guest:wrong@127.0.0.1:${server.port}`)).toEqual({
      failed: expect.stringContaining("WRONGPASS"),
      isAway: false,
    });
    expect(await looked(server.address)).toMatchObject({ isAway: false });
  } finally {
    await server.stop();
  }
  expect(await looked(server.address)).toMatchObject({ isAway: true });
});

test.skipIf(whyNotLong !== undefined)(
  "by Sentinels: the master, and the one that takes its place",
  async () => {
    const master = await RedisServer.start();
    const replica = await RedisServer.start("--replicaof", "127.0.0.1", String(master.port));
    const sentinelPort = await freePort();
    const config = join(directory, "sentinel.conf");
    await writeFile(
      config,
      `port ${sentinelPort}\nbind 127.0.0.1\ndir ${directory}\n` +
        `sentinel monitor mymaster 127.0.0.1 ${master.port} 1\n` +
        "sentinel down-after-milliseconds mymaster 500\nsentinel failover-timeout mymaster 2000\n",
    );
    const sentinel = spawn("redis-server", [config, "--sentinel"], { stdio: "ignore" });
    let client: RedisClient | undefined;
    try {
      expect((await looked(replica.address)).failed).toMatch(/replica/);
      client = clientOf(`redis+sentinel://127.0.0.1:${sentinelPort}/mymaster`);
      const connected = client;
      await until("the Sentinel knows the master", async () => {
        return firstConnect(connected).then(
          () => true,
          () => connected.status === "ready",
        );
      });
      await connected.set("a", "1");
      expect(await master.ask((one) => one.get("a"))).toBe("1");
      await until(
        "the replica has it",
        async () => (await replica.ask((one) => one.get("a"))) === "1",
      );
      // The Sentinel asks the master for its replicas every ten seconds, and at first once a second.
      await new Promise((resolve) => setTimeout(resolve, 1500));
      await master.kill();
      await until("the replica is the master", () =>
        connected.set("a", "2").then(
          () => true,
          () => false,
        ),
      );
      expect(await replica.ask((one) => one.get("a"))).toBe("2");
    } finally {
      client?.disconnect();
      sentinel.kill("SIGKILL");
      await once(sentinel, "exit");
      await Promise.all([master.stop(), replica.stop()]);
    }
  },
);
