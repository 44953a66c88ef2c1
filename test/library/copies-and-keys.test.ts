/** The library with several copies of a repository, and with keys, against the simulated server. */
import { randomUUID } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateX25519Identity } from "age-encryption";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  type CaptureEvent,
  type CopyTrouble,
  capture,
  openRepository,
  planRestore,
  readStatus,
  restore,
} from "../../src/index.js";
import { type Identity, identityOf } from "../../src/sealing/identity.js";
import { initSealed } from "../../src/sealing/init.js";
import { storeAt } from "../../src/storage/store-at.js";
import { Server } from "../restore/captured.js";
import { r } from "../server/driver.js";

interface Sealed {
  location: string[];
  /** Secret keys as text. */
  reader: string;
  writer: string;
  trust: string;
}

let server: Server;
let directory: string;
let repository: Sealed;
const events: CaptureEvent[] = [];

beforeAll(async () => {
  server = await Server.start();
  directory = await mkdtemp(join(tmpdir(), "thinkback-library-"));
  await server.query(r.dbCreate("shop"));
  await server.query(r.db("shop").tableCreate("orders"));
  const rows = Array.from({ length: 50 }, (_, id) => ({ id, customer: id % 7 }));
  await server.query(r.db("shop").table("orders").insert(rows));
  repository = await sealed("a");
  await captured(repository, [repository.writer], (event) => events.push(event));
});

afterAll(async () => {
  await server.stop();
  await rm(directory, { recursive: true, force: true });
});

/** A new sealed repository, and the place of a copy. */
async function sealed(name: string): Promise<Sealed> {
  const location = [join(directory, name), join(directory, `${name}-copy`)];
  const secrets = await Promise.all([1, 2, 3].map(() => generateX25519Identity()));
  const [reader, offline, writer] = secrets.map(identityOf) as [Identity, Identity, Identity];
  const keys = [
    { name: "reader", role: "reader" as const, offline: false, ...reader.public },
    { name: "offline", role: "reader" as const, offline: true, ...offline.public },
    { name: "writer", role: "writer" as const, offline: false, ...writer.public },
  ];
  await initSealed(storeAt(location[0]!), keys, [reader], {
    id: randomUUID(),
    created: Date.now(),
  });
  return { location, reader: secrets[0]!, writer: secrets[2]!, trust: reader.public.verify };
}

function captured(
  { location, trust }: Sealed,
  identities: string[],
  onEvent: (event: CaptureEvent) => void = () => undefined,
): Promise<void> {
  const keys = { identities, trust: [trust] };
  return capture({ source: server.address, location, keys, once: true, onEvent });
}

const namesIn = async (path: string) =>
  (await readdir(path, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && !entry.name.startsWith("."))
    .map((entry) => join(entry.parentPath, entry.name).slice(path.length + 1))
    .filter((name) => !/^(alarms|leases|members|holds|handovers)\//.test(name))
    .sort();

test("a capture with a writer's key writes to each location, and says when a copy has all", async () => {
  const [first, second] = repository.location as [string, string];
  expect(await namesIn(second)).toEqual(await namesIn(first));
  expect((await namesIn(first)).some((name) => name.startsWith("keys/"))).toBe(true);
  expect(events).toContainEqual(expect.objectContaining({ kind: "copyIsLevel", copy: second }));
});

test("what one copy does not have is read from another, and told; and restored", async () => {
  const { location, reader } = repository;
  const trouble: CopyTrouble[] = [];
  const opened = await openRepository(location, {
    keys: { identities: [reader] },
    onCopyTrouble: (one) => trouble.push(one),
  });
  const part = (await namesIn(location[0]!)).find((name) => /^bases\/.*\d\.zst$/.test(name))!;
  await rm(join(location[0]!, part));
  const { tables } = await readStatus(opened);
  expect(tables).toMatchObject([{ name: "shop.orders", documents: 50 }]);
  const plan = await planRestore(opened, {
    tables: ["shop.orders"],
    renames: { "shop.orders": "again.orders" },
  });
  const report = await restore(plan, { target: server.address });
  expect(report.tables).toMatchObject([{ to: "again.orders", documents: 50, matches: true }]);
  expect(trouble).toContainEqual({
    location: location[0],
    object: part,
    what: "it is missing",
  });
  await rm(join(directory, "a-copy/repository.json"));
  expect((await openRepository(location, { keys: { identities: [reader] } })).id).toBe(opened.id);
});

test("two repositories are open at once, each with its own keys", async () => {
  const other = await sealed("b");
  await captured(other, [other.writer]);
  const keyFile = join(directory, "other.key");
  await writeFile(keyFile, `# a comment\n${other.reader}\n`);
  const [one, two] = await Promise.all([
    openRepository(repository.location, { keys: { identities: [repository.reader] } }),
    openRepository(other.location[0]!, { keys: { identityFiles: [keyFile] } }),
  ]);
  const [status, otherStatus] = await Promise.all([readStatus(one), readStatus(two)]);
  expect([status.repository, otherStatus.repository]).toEqual([one.id, two.id]);
  expect(one.id).not.toBe(two.id);
  expect(JSON.stringify([one, two])).not.toMatch(/AGE-SECRET/i);
  await expect(
    openRepository(other.location, { keys: { identities: [repository.reader] } }),
  ).rejects.toMatchObject({ code: "damaged" });
});

test("keys that are missing, wrong, or of a writer are errors with a code", async () => {
  const { location, reader, writer, trust } = repository;
  const withKeys = (keys: object) => openRepository(location, { keys });
  await expect(openRepository(location)).rejects.toMatchObject({ code: "usage" });
  await expect(withKeys({ identity: [reader] })).rejects.toMatchObject({
    message: "there is no option keys.identity",
  });
  await expect(withKeys({ identityFiles: ["/nowhere"] })).rejects.toMatchObject({ code: "usage" });
  const spoilt = `${reader.slice(0, -1)}#`;
  const error: unknown = await withKeys({ identities: [spoilt] }).catch((e: unknown) => e);
  expect(error).toMatchObject({ code: "usage" });
  expect(String(error)).not.toContain(spoilt.slice(16));
  await expect(openRepository([])).rejects.toMatchObject({ code: "usage" });
  const asWriter = await withKeys({ identities: [writer], trust: [trust] });
  expect((await readStatus(asWriter)).tables).toHaveLength(1);
  await expect(planRestore(asWriter)).rejects.toMatchObject({ code: "usage" });
  // A copy of the object has no keys.
  await expect(readStatus({ ...asWriter })).rejects.toMatchObject({ code: "usage" });
});

test("a repository that is not sealed is refused with keys, and a place is given once", async () => {
  const location = join(directory, "plain");
  await mkdir(location);
  const source = server.address;
  const keys = { identities: [repository.writer] };
  await expect(capture({ source, location, keys, once: true })).rejects.toMatchObject({
    code: "repository",
  });
  await expect(
    capture({ source, location: [location, `file://${location}`], once: true }),
  ).rejects.toMatchObject({ code: "usage" });
  await capture({ source, location: [location, `${location}-copy`], once: true });
  expect(await readFile(join(`${location}-copy`, "repository.json"))).toEqual(
    await readFile(join(location, "repository.json")),
  );
  await expect(openRepository(location, { keys })).rejects.toMatchObject({ code: "repository" });
  const other = [location, repository.location[0]!];
  await expect(openRepository(other)).rejects.toMatchObject({ code: "repository" });
});
