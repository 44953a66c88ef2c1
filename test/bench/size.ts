/**
 * Bytes stored per document and per change, beside what `zstd -9` makes of the same lines in one stream. Of a base that
 * was copied, of one that was folded, and of a log as segments and as folded segments.
 */
import { execFile } from "node:child_process";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Kind } from "../../src/format/data-kinds.js";
import { DataObject } from "../../src/format/data-object.js";
import type { BaseManifest } from "../../src/repository/bases/base.js";
import { LogView } from "../../src/repository/log/log-view.js";
import type { ObjectStore } from "../../src/storage/object-store.js";
import { foldLog, newestBase } from "../repository/looks.js";
import { foldUp } from "../repository/recording.js";
import type { Bench } from "./bench.js";
import { type DataSet, orders, packages } from "./data.js";
import { GeneratedRepository, scratchDirectory } from "./generated.js";

const dayMs = 86_400_000;

export async function benchSize({ documents, scratch }: Bench): Promise<void> {
  for (const set of [orders(documents), await packages(documents)]) {
    if (set) await sizesOf(set, scratch);
  }
}

async function sizesOf({ name, rows }: DataSet, scratch: string[]): Promise<void> {
  const generated = await GeneratedRepository.begin(scratch);
  const { repository } = generated;
  const { store } = repository;
  const { table, base } = await generated.copy("all", rows);
  // As many changes as documents, 1000 a second, so that the log is as large as the base.
  let instant = generated.clock.instant;
  for (let i = 0; i < rows.length; i += 1) {
    generated.change(table, rows, (i * 7919) % rows.length, i, 1);
    if (i % 1000 === 999) instant = await generated.tick();
  }
  instant = await generated.tick();
  process.stdout.write(`bytes stored, ${name}\n`);
  const copied = await baseSizes(store, base);
  await line(scratch, "base, as copied, per document", rows.length, copied);
  const segments = (await LogView.read(store)).pieces.map((piece) => piece.name);
  await line(
    scratch,
    "log, as segments, per change",
    rows.length,
    await sizes(store, segments, "segment", table),
  );
  await foldUp(repository, instant);
  const folded = await newestBase(store, table, instant);
  await line(scratch, "base, folded, per document", rows.length, await baseSizes(store, folded!));
  await foldLog(repository, {
    now: instant + 2 * dayMs,
    settleMs: 0,
    partial: true,
    unique: "f",
    resolutionOf: () => 1,
    spanMaxMs: () => dayMs,
    pinned: [],
  });
  const { pieces } = await LogView.read(store);
  const parts = pieces.flatMap((piece) =>
    piece.kind === "folded" ? piece.manifest.tables.flatMap((of) => of.parts) : [],
  );
  const names = parts.map((part) => part.name);
  await line(
    scratch,
    "log, folded, per change",
    rows.length,
    await sizes(store, names, "foldedPart", table),
  );
  const keys = copied.keys / rows.length;
  process.stdout.write(
    `  beside each base, keys and digests for resyncs: ${keys.toFixed(1)} bytes\n\n`,
  );
}

interface Sizes {
  lines: Buffer;
  stored: number;
}

async function baseSizes(
  store: ObjectStore,
  base: BaseManifest,
): Promise<Sizes & { keys: number }> {
  const names = base.parts.map((part) => part.name);
  let keys = 0;
  for (const part of base.parts) keys += (await store.size(part.keys.name))!;
  return { ...(await sizes(store, names, "basePart")), keys };
}

/** The lines of objects, and the bytes of the objects as they are stored; of segments, the lines of one table. */
async function sizes(
  store: ObjectStore,
  names: string[],
  kind: Kind,
  table?: string,
): Promise<Sizes> {
  const lines: Buffer[] = [];
  let stored = 0;
  for (const name of names) {
    const object = await DataObject.open(store, name, kind);
    stored += object.storedSize;
    for (const entry of object.index.frames) {
      if (kind !== "segment" || entry.table === table) lines.push(await object.readFrame(entry));
    }
  }
  return { lines: Buffer.concat(lines), stored };
}

async function line(scratch: string[], title: string, count: number, of: Sizes): Promise<void> {
  const limit = await zstd9(scratch, of.lines);
  const per = (bytes: number) => (bytes / count).toFixed(1).padStart(7);
  const plain = `${per(of.lines.length)} plain`;
  const ratio = (of.stored / limit).toFixed(2);
  process.stdout.write(
    `  ${title.padEnd(32)} ${per(of.stored)}  zstd -9 ${per(limit)}  ratio ${ratio}  ${plain}\n`,
  );
}

async function zstd9(scratch: string[], lines: Buffer): Promise<number> {
  const file = join(await scratchDirectory(scratch), "lines");
  await writeFile(file, lines);
  const limits = { maxBuffer: 2 ** 31, encoding: "buffer" } as const;
  const { stdout } = await promisify(execFile)("zstd", ["-q", "-9", "-c", file], limits);
  await rm(file);
  return stdout.length;
}
