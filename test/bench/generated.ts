/** Repositories in a directory, written by the classes that capture uses, without a server. */
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { digestOf } from "../../src/digest.js";
import type { Repository } from "../../src/format/description.js";
import type { Instant } from "../../src/instant.js";
import type { BaseManifest } from "../../src/repository/bases/base.js";
import { BaseWriter } from "../../src/repository/bases/base-writer.js";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import type { ObjectStore } from "../../src/storage/object-store.js";
import { json, makeRepository, namesIn, Recording, StillClock } from "../repository/recording.js";
import { type Row, revised } from "./data.js";
import { type Took, timed } from "./report.js";

/** The database of generated tables. No other case makes it: a restore of them drops it again. */
export const generatedDatabase = "generated";

/** A directory that `main` removes in the end. */
export async function scratchDirectory(scratch: string[]): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "thinkback-bench-"));
  scratch.push(directory);
  return directory;
}

export class GeneratedRepository {
  private tables = 0;

  private constructor(
    readonly directory: string,
    readonly repository: Repository,
    readonly recording: Recording,
    readonly clock: StillClock,
  ) {}

  /** @param from of the first instant; the clock stands there and moves only with what is written */
  static async begin(
    scratch: string[],
    from?: Instant,
    within: (store: ObjectStore) => ObjectStore = (store) => store,
  ): Promise<GeneratedRepository> {
    const directory = await scratchDirectory(scratch);
    const clock = new StillClock(from);
    const repository = await makeRepository(within(new DirectoryStore(directory)));
    const recording = await Recording.begin(repository, clock);
    recording.catalogRead();
    recording.catalog(["db", "d1"], { id: "d1", name: generatedDatabase });
    return new GeneratedRepository(directory, repository, recording, clock);
  }

  /** A table that was copied: its catalog and coverage records, and a base of `rows`. Returns it and its id. */
  async copy(name: string, rows: Row[]): Promise<{ table: string; base: BaseManifest }> {
    const { recording, repository } = this;
    const { log } = recording;
    this.tables += 1;
    const table = `0a000000-0000-4000-8000-${String(this.tables).padStart(12, "0")}`;
    recording.catalog(["table", table], configOf(table, name));
    recording.catalog(["indexes", table], { indexes: [] });
    const { time } = log.stamp();
    recording.coverage(table, { state: "copying", since: time });
    const identity = { table, primaryKey: "id", epoch: log.epoch, begun: time, unique: "1" };
    const writer = new BaseWriter(repository, identity);
    for (const [i, { id, text }] of rows.entries()) {
      writer.add(json(id), time, log.stamp().sequence, text);
      if (i % 1000 === 0) await writer.drain();
    }
    const copied = await recording.tick();
    const base = await writer.finish(copied, time - 1);
    recording.coverage(table, { state: "live", since: copied });
    await recording.tick();
    return { table, base };
  }

  /** Replaces a row of `rows` by one with another revision, `afterMs` later; the log gets the change. */
  change(table: string, rows: Row[], at: number, revision: number, afterMs: number): void {
    const before = rows[at]!;
    const after = revised(before, revision);
    rows[at] = after;
    this.clock.instant += afterMs;
    this.recording.log.append(table, json(after.id), digestOf(before.text), after.text);
  }

  /** Closes a tick that ends `ms` from now. */
  tick(ms = 1): Promise<Instant> {
    return this.recording.tick(ms);
  }
}

/** Gives what times a piece of work on the store as it is now, and then deletes what the work has put there. */
export async function wipingNew(store: ObjectStore) {
  const kept = new Set(await namesIn(store));
  return async (work: () => Promise<void>): Promise<Took> => {
    const took = await timed(work);
    for (const name of await namesIn(store)) if (!kept.has(name)) await store.delete(name);
    return took;
  };
}

function configOf(id: string, name: string): object {
  return {
    id,
    name,
    db: generatedDatabase,
    primary_key: "id",
    indexes: [],
    write_hook: null,
    shards: [{ primary_replica: "one", replicas: ["one"], nonvoting_replicas: [] }],
    write_acks: "majority",
    durability: "hard",
  };
}
