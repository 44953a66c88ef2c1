/** A repository with something missing, cut, altered, or no room left: said, by name, and never a success. */
import { spawn } from "node:child_process";
import { cp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { listSegments, openSegment } from "../../src/repository/log/log.js";
import { storeAt } from "../../src/storage/store-at.js";
import { r } from "../server/driver.js";
import { cli, status } from "./cli.js";
import { Stage, stop, tableOf, until } from "./stage.js";

let stage: Stage;
let repo: string;
let copies = 0;

beforeAll(async () => {
  stage = await Stage.open();
  repo = stage.repo("sound");
  await stage.query(r.dbCreate("shop"));
  for (const name of ["articles", "orders"]) {
    await stage.query(r.db("shop").tableCreate(name));
    await stage.query(r.db("shop").table(name).insert(documents(0, 500)));
  }
  const run = stage.capture(repo, "--include", "shop.*");
  await stage.untilExactNow(repo, "shop.articles", "shop.orders");
  for (let at = 500; at < 800; at += 100) {
    await stage.query(
      r
        .db("shop")
        .table("orders")
        .insert(documents(at, at + 100)),
    );
    await stage.untilExactNow(repo, "shop.orders");
  }
  expect((await stop(run)).status).toBe(0);
});

afterAll(() => stage.close());

function documents(from: number, to: number): object[] {
  return Array.from({ length: to - from }, (_, i) => ({ id: from + i, text: `text ${from * i}` }));
}

async function objects(prefix: string): Promise<string[]> {
  const names = await readdir(join(repo, prefix), { recursive: true });
  return names
    .filter((name) => /\.\w+$/.test(name))
    .map((name) => join(prefix, name))
    .sort((a, b) => (a < b ? -1 : 1));
}

async function idOfOrders(): Promise<string> {
  return tableOf(await status(repo), "shop.orders")!.id;
}

/** A segment with changes of shop.orders, which has others before and after it; and a byte among them. */
async function segmentOfOrders(): Promise<{ name: string; inside: number }> {
  const store = storeAt(repo);
  const id = await idOfOrders();
  for (const { name } of await listSegments(store)) {
    const { frames } = (await openSegment(store, name)).index;
    const frame = frames.find(({ table }) => table === id);
    if (frame) return { name, inside: frame.offset + 20 };
  }
  throw new Error("no segment holds changes of shop.orders");
}

const damages = {
  missing: (path: string) => rm(path),
  truncated: (path: string) => truncate(path, 100),
  flipped: async (path: string, at: number) => {
    const bytes = await readFile(path);
    bytes[at]! ^= 0x10;
    await writeFile(path, bytes);
  },
};

/** Damages an object in a copy of the repository, and restores all of it. */
async function restoreDamaged(
  object: string,
  damage: (path: string, at: number) => Promise<void>,
  at = 20,
) {
  copies += 1;
  const copy = stage.repo(`copy-${copies}`);
  await cp(repo, copy, { recursive: true });
  await damage(join(copy, object), at);
  const to = `damaged_${copies}`;
  const args = [
    "--repo",
    copy,
    "--target",
    stage.address,
    "--db",
    "shop",
    "--rename",
    `shop=${to}`,
  ];
  return { ...(await cli(["restore", ...args])), to };
}

for (const [how, damage] of Object.entries(damages)) {
  test(`a part of a base that is ${how}`, async () => {
    const part = (await objects(`bases/${await idOfOrders()}`)).find((name) =>
      /part-\d+\.zst$/.test(name),
    )!;
    const { status: code, stdout, stderr } = await restoreDamaged(part, damage);
    expect(stderr).toContain(part);
    expect(stderr).toContain("→ put this object back from a copy");
    expect(code).toBe(8);
    expect(stdout).not.toContain("equal");
  });

  test(`a segment in the middle of the log that is ${how}`, async () => {
    const { name: segment, inside } = await segmentOfOrders();
    const { status: code, stdout, stderr, to } = await restoreDamaged(segment, damage, inside);
    // Of a missing object only its place in the log may be known, not the times in its name.
    const place = `number ${Number(/(\d+)\.zst$/.exec(segment)![1])} is missing`;
    const named = [segment, ...(how === "missing" ? [place] : [])];
    expect(named.filter((name) => (stderr + stdout).includes(name))).not.toEqual([]);
    if (how === "missing") {
      // An instant before it can be restored, and is.
      expect(stdout).toMatch(/ (is|are) known only up to .*, because of damage \(object log\//);
      expect(stdout).toMatch(/damaged_\d+\.orders +(5|6|7)00 .* equal/);
      expect(code).toBe(0);
      return;
    }
    expect(code).toBe(8);
    expect(stdout).not.toContain("equal");
    expect(await stage.query(r.dbList())).not.toContain(to);
  });
}

test("the description of the repository altered", async () => {
  const { status: code, stderr } = await restoreDamaged("repository.json", damages.flipped);
  expect(stderr).toContain("repository.json");
  expect([4, 8]).toContain(code);
});

/** Runs a shell script with a file system of 1 MiB at $FULL, in a mount namespace of its own. */
function onSmallDisk(script: string) {
  const full = stage.repo("small-disk");
  const mounted = `mkdir -p "$FULL" && mount -t tmpfs -o size=1m none "$FULL" && ${script}`;
  const root = process.getuid?.() === 0;
  const child = spawn("unshare", [root ? "-m" : "-rm", "bash", "-c", mounted], {
    env: { ...process.env, FULL: full },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const running = { output: "", ended: false, code: null as number | null };
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (bytes: Buffer) => {
      running.output += bytes.toString();
    });
  }
  child.on("close", (code) => {
    running.ended = true;
    running.code = code;
  });
  return running;
}

test("a disk that fills up: capture stops, says so, and every stored tick is safe", async () => {
  const main = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
  await stage.query(r.dbCreate("flood"));
  await stage.query(r.db("flood").tableCreate("water"));
  const node = `${process.execPath} ${main}`;
  const options = `--source ${stage.address} --include 'flood.*' --tick 200ms`;
  const running = onSmallDisk(
    `${node} run --repo "$FULL/repo" ${options}; code=$?; ` +
      `${node} status --repo "$FULL/repo"; exit $code`,
  );
  await until("it captures", () => running.output.includes("captured completely"));
  for (let id = 0; !running.ended; id += 1) {
    const noise = Array.from({ length: 2000 }, () => Math.random().toString(36)).join("");
    const water = r.db("flood").table("water");
    await stage.query(water.insert({ id: id % 10, noise }, { conflict: "replace" }));
  }
  expect(running.output).toMatch(/capture stopped: no space left in .* to write object/);
  expect(running.output).toContain("→ make room, or make the repository writable, and start again");
  expect(running.output).toMatch(/last restorable +gaps[^]*\nflood\.water +live .*\d{4}-.*\d{4}-/);
  expect(running.code).toBe(10);
});
