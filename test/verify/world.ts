/**
 * A repository with an object of every kind: four epochs over five days, the first of them shut out while it still
 * wrote; copied and folded bases; a log of which the first day was expired and is gone, the second was expired and is still
 * there, the third is thinned, the fourth folded while its segments are there, and the rest is single segments.
 */

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Repository } from "../../src/format/description.js";
import { mergeLatest } from "../../src/format/merge.js";
import { holdPrefix, memberPrefix } from "../../src/format/names.js";
import type { Instant } from "../../src/instant.js";
import { nextEvent } from "../../src/recoveries/changes.js";
import { putEvent, type RecoveryEvent } from "../../src/recoveries/events.js";
import { storePlan } from "../../src/recoveries/plan-parts.js";
import { baseCursor } from "../../src/repository/bases/base-reader.js";
import { intervalAt, isExactAt } from "../../src/repository/coverage/coverage.js";
import { LogView } from "../../src/repository/log/log-view.js";
import { putAcknowledgement } from "../../src/repository/records/acknowledgement.js";
import { AuditWriter } from "../../src/repository/records/audit.js";
import { putDrill } from "../../src/repository/records/drills.js";
import { putEvidence } from "../../src/repository/records/evidence.js";
import { putMark } from "../../src/repository/records/marks.js";
import {
  OperationWriter,
  publishRound,
  putOperationEnd,
} from "../../src/repository/records/operations.js";
import { putVerification } from "../../src/repository/records/verifications.js";
import { putAlarms } from "../../src/repository/registers/alarms.js";
import { answerOf, putAnswer, putWish } from "../../src/repository/registers/handovers.js";
import { holdKind } from "../../src/repository/registers/holds.js";
import { memberKind } from "../../src/repository/registers/members.js";
import { putNumbered } from "../../src/repository/registers/numbered.js";
import { addPin, removePin } from "../../src/repository/registers/pins.js";
import { noteRates } from "../../src/repository/registers/rates.js";
import { declareKeep } from "../../src/repository/registers/settings.js";
import { createToken, revokeToken } from "../../src/repository/registers/tokens.js";
import { openRepository } from "../../src/repository/repository.js";
import type { ObjectStore } from "../../src/storage/object-store.js";
import { maintain } from "../../src/upkeep/maintain.js";
import { directoryOf } from "../../src/verify/object-kinds.js";
import { collect, planRestore, readCoverage, renewBundle } from "../repository/looks.js";
import {
  foldUp,
  History,
  json,
  makeRepository,
  namesIn,
  Recording,
  StillClock,
} from "../repository/recording.js";
import { Random } from "../simulated/random.js";

export const orders = "0a000000-0000-4000-8000-000000000001";
export const posts = "0b000000-0000-4000-8000-000000000002";
export const tableNames = new Map([
  [orders, "shop.orders"],
  [posts, "shop.posts"],
]);

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
/** Some ten documents. */
const partBytesTarget = 600;

/** Waits until it is told to stop. */
export class PatientClock extends StillClock {
  override sleep(_ms?: number, signal?: AbortSignal): Promise<void> {
    return new Promise((_, reject) => {
      const stop = () => reject(signal!.reason as Error);
      if (signal?.aborted) stop();
      else signal?.addEventListener("abort", stop, { once: true });
    });
  }
}

export const owner = { host: "test", process: 1, isAlive: () => false };

export interface World {
  repository: Repository;
  store: ObjectStore;
  history: History;
  clock: PatientClock;
  /** When it begins; what is pinned; one of which the segments are there beside what they were folded into; the last. */
  instants: { begin: Instant; pinned: Instant; folded: Instant; last: Instant };
}

export async function makeWorld(seed = 1): Promise<World> {
  const builder = new WorldBuilder(seed, await makeRepository());
  return builder.build();
}

class WorldBuilder {
  private readonly clock = new PatientClock();
  private readonly history = new History();
  private readonly random: Random;
  private recording!: Recording;

  constructor(
    seed: number,
    private readonly repository: Repository,
  ) {
    this.random = new Random(seed);
  }

  async build(): Promise<World> {
    const { clock, history, repository } = this;
    const { store } = repository;
    const begin = clock.instant;
    await declareKeep(store, "all:30d", begin);
    await declareKeep(store, "all:1d, 1h:2d", begin + 1);
    await this.beginFirst();
    await this.live(begin + 26 * hourMs, 6 * hourMs);
    await this.foldBases("f1");
    const first = this.recording;
    await this.beginNext();
    await this.writeBehind(first);
    await this.live(begin + 72 * hourMs, 4 * hourMs);
    const pinned = clock.instant - 3 * hourMs;
    const until = pinned + 365 * 86_400_000;
    await addPin(store, { name: "release", at: pinned, made: clock.instant, until });
    await addPin(store, { name: "mistake", at: pinned + 1, made: clock.instant });
    await removePin(store, "mistake", clock.instant);
    await this.foldBases("f2");
    clock.instant = begin + 98 * hourMs;
    await this.maintain("m1", 0);
    await this.beginNext();
    await this.live(clock.instant + 5 * hourMs, hourMs);
    const folded = clock.instant - hourMs;
    await this.foldBases("f3");
    clock.instant = begin + 122 * hourMs;
    await this.maintain("m2", undefined);
    await this.sweepThinned();
    const third = this.recording;
    await this.beginNext([orders]);
    await this.writeBehind(third);
    await this.live(clock.instant + hourMs, 20 * minuteMs, [orders]);
    await this.copyAnew(posts);
    await this.live(clock.instant + hourMs, 20 * minuteMs);
    const last = clock.instant - 1;
    await this.addSmallObjects(folded);
    return { repository, store, history, clock, instants: { begin, pinned, folded, last } };
  }

  private async beginFirst(): Promise<void> {
    const { clock, history, repository } = this;
    const recording = await Recording.begin(repository, clock, history);
    this.recording = recording;
    recording.catalogRead();
    recording.catalog(["db", "d1"], { id: "d1", name: "shop" });
    const writers = [];
    for (const [table, name] of tableNames) {
      recording.catalog(["table", table], config(table, name));
      recording.coverage(table, { state: "copying", since: clock.instant });
      const rows = Array.from({ length: 30 }, (_, id) => [id, { id, v: 0 }] as [number, object]);
      writers.push(await recording.copy(table, rows, partBytesTarget));
    }
    recording.put(orders, 7, { id: 7, v: "while it was copied" });
    const since = await recording.tick(10);
    for (const writer of writers) await writer.finish(since, since - 200);
    await this.goLive(since);
  }

  private async goLive(since: Instant, tables = [...tableNames.keys()]): Promise<void> {
    for (const table of tables) this.recording.coverage(table, { state: "live", since });
    await this.recording.tick(10);
  }

  private async beginNext(tables = [...tableNames.keys()]): Promise<void> {
    const { clock } = this;
    clock.instant += 5 * minuteMs;
    this.recording = await Recording.begin(this.repository, clock, this.history);
    this.recording.catalogRead();
    const since = clock.instant;
    for (const table of tables) {
      this.recording.coverage(table, { state: "resyncing", since });
      this.recording.put(table, 3, { id: 3, v: `found at ${since}` });
    }
    await this.goLive(await this.recording.tick(10), tables);
  }

  /** What the writer before wrote after the one at hand had claimed; it does not count. */
  private async writeBehind(shutOut: Recording): Promise<void> {
    const { instant } = this.clock;
    const behind = Recording.behind(shutOut, new History());
    behind.put(orders, 5, { id: 5, v: "by a writer that was shut out" });
    behind.put(orders, 29, null);
    await behind.tick(10);
    this.clock.instant = Math.max(instant, this.clock.instant);
  }

  private async live(until: Instant, everyMs: number, tables = [...tableNames.keys()]) {
    const { clock, random, recording } = this;
    while (clock.instant < until) {
      for (let i = random.below(3); i >= 0; i -= 1) {
        const table = tables[random.below(tables.length)]!;
        const id = random.below(40);
        const isThere = typeof this.history.last(table, json(id)) === "string";
        const isDelete = isThere && random.below(4) === 0;
        recording.put(table, id, isDelete ? null : { id, v: clock.instant });
      }
      if (random.below(5) === 0) {
        recording.catalog(["db", `d${2 + random.below(3)}`], {
          id: "d",
          name: `n${clock.instant}`,
        });
      }
      await recording.tick(everyMs);
    }
  }

  private async foldBases(unique: string): Promise<void> {
    await foldUp(this.repository, this.clock.instant, undefined, { unique, partBytesTarget });
  }

  private async maintain(unique: string, graceMs: number | undefined): Promise<void> {
    const { clock } = this;
    // Days go by in it that nobody captures.
    const agesBeyondLogMs = 24 * hourMs;
    const how = { partial: true, settleMs: minuteMs, expires: true, graceMs, agesBeyondLogMs };
    const observer = { onRows: () => undefined, phase: () => undefined };
    await maintain(this.repository, { clock, owner, unique, ...how }, observer);
  }

  /** Deletes what thinned folded segments were made of. */
  private async sweepThinned(): Promise<void> {
    const { store } = this.repository;
    const { folded } = (await LogView.read(store)).believed;
    const thinned = folded.filter(({ resolutionMs }) => resolutionMs > 1);
    const inputs = folded.filter(
      ({ resolutionMs, from }) => resolutionMs === 1 && thinned.some((one) => one.from === from),
    );
    for (const { name } of inputs) {
      for (const part of await namesIn(store, directoryOf(name))) await store.delete(part);
    }
  }

  private async copyAnew(table: string): Promise<void> {
    const { clock, recording, history } = this;
    const since = clock.instant;
    recording.coverage(table, { state: "copying", since });
    await recording.tick(10);
    for (const id of Array.from({ length: 40 }, (_, i) => i)) {
      // What became of the others in the gap is in the copy alone.
      history.add(table, { key: String(id), time: clock.instant, document: null });
    }
    const rows = Array.from({ length: 20 }, (_, i) => [i * 2, { id: i * 2, v: "copied anew" }]);
    const writer = await recording.copy(table, rows as [number, object][], partBytesTarget);
    const at = await recording.tick(10);
    await writer.finish(at, since - 1);
    await this.goLive(at, [table]);
  }

  private async addSmallObjects(at: Instant): Promise<void> {
    const { clock } = this;
    const { store } = this.repository;
    await noteRates(store, { restoreBytesPerSecond: 1e6 }, at);
    await noteRates(store, { restoreBytesPerSecond: 3e6 }, at + 1);
    const found = { key: "1", before: at, at: at + 5, sequence: 7, named: null, stored: null };
    await putEvidence(store, { table: posts, ...found });
    const gap = { from: at + 10, to: at + 20, note: "the machine moved", at };
    await putAcknowledgement(store, { table: orders, ...gap });
    const ended = clock.instant;
    await putDrill(store, {
      unique: "0123456789ab",
      begun: ended - 5,
      ended,
      instant: at,
      class: "exact",
      ok: true,
      server: null,
      documents: 0,
      bytes: 0,
      seconds: 0.5,
      documentsPerSecond: 0,
      bytesPerSecond: 0,
      tables: [],
    });
    await putVerification(store, {
      unique: "0123456789ab",
      begun: at,
      ended: at,
      sound: true,
      share: 0,
      lanes: 1,
      stored: { objects: 1, bytes: 1 },
      read: { objects: 0, bytes: 0 },
      readsDocuments: true,
      chainsFollowed: false,
      damage: { count: 0, objects: [] },
      breaks: 0,
      lostPins: [],
    });
    const actor = { name: "anna", via: "api" as const };
    const entry = { actor, what: "pin add", over: { id: "x" }, outcome: "done", address: "::1" };
    await new AuditWriter(store, clock).write(entry);
    const request = { name: "anna", role: "operator" as const, expiresAt: at + hourMs };
    const { token } = await createToken(store, request, at);
    await revokeToken(store, token.id, at);
    await putMark(store, { id: "0123abcd", at, made: at, text: "deploy 42" });
    for (const round of [1, 2]) {
      const operation = new OperationWriter(store, {
        repository: this.repository.description.id,
        id: "0123abcd",
        type: "undo",
        round,
        made: at,
        table: orders,
        name: tableNames.get(orders)!,
        description: "undo of a test",
      });
      await operation.add({ key: json(round), before: null, after: json({ id: round }) });
      const end = {
        ended,
        seconds: 0.5,
        written: round,
        already: 0,
        left: [],
        found: [],
        unlisted: 0,
      };
      const way = { until: at + 365 * 86_400_000, pin: "before-undo-0123abcd", pinned: at };
      const published = await publishRound(store, await operation.finish(), way, at);
      await putOperationEnd(store, published, end);
    }
    for (const id of ["0123abcd", "0123abce"]) await this.addRecovery(id, at);
    for (const round of [1, 2]) {
      await renewBundle(this.repository, { at: clock.instant + round, anew: true });
    }
    for (const number of [1, 2]) {
      const alarm = { id: "store-away-1a2b3c4d", kind: "store-away", of: "", since: at };
      const told = { ...alarm, raised: at, text: "the store is away", told: true };
      const silence = { what: "behind", since: at, until: at + 1, reason: "a move" };
      const to = ["webhook"];
      const notice = { id: "n", type: "raised" as const, at, text: "the store is away", alarm, to };
      const said = { open: [told], silences: [silence], notices: [notice], digested: at };
      await putAlarms(store, { number, at, ...said });
    }
    const wish = { epoch: 1, unique: "next1", asked: at, host: "alpha", process: 7 };
    await putWish(store, wish);
    await putAnswer(store, wish, answerOf(wish, at));
    for (const number of [1, 2]) {
      const said = { at, lanes: [0], replaces: [], left: false, everyMs: 60_000 };
      const member = { number, unique: "abc", host: "alpha", process: 7, space: "alpha", ...said };
      await putNumbered(store, memberPrefix("abc"), memberKind, member);
    }
    for (const number of [1, 2]) {
      const hold = { number, unique: "abc", begun: at, at, until: at + number, ended: false };
      await putNumbered(store, holdPrefix("abc"), holdKind, hold);
    }
  }

  /** One that waits for an approval: its plan is stored. */
  private async addRecovery(id: string, at: Instant): Promise<void> {
    const { store } = this.repository;
    const file = join(await mkdtemp(join(tmpdir(), "thinkback-plan-")), "plan");
    const by = { name: "alice", via: "cli" } as const;
    const request = { command: "rewind", args: ["shop.orders"], approval: true } as const;
    const of = { id, at, by, attempt: 0, state: "planned" } as const;
    const first: RecoveryEvent = {
      ...of,
      number: 1,
      request: { ...request, args: [...request.args] },
    };
    const claim = { unique: "w1", host: "alpha", process: 7, space: "alpha", silentMs: 30_000 };
    const second = nextEvent(first, { kind: "claim", worker: claim }, by, at);
    await writeFile(file, `{"thinkback":"plan","id":"${id}"\n}\n`);
    const parts = await storePlan(store, second, file);
    await rm(dirname(file), { recursive: true });
    const plan = { summary: { documents: 1 }, args: [], parts };
    const third = nextEvent(second, { kind: "plan", plan, waitsFor: ["approval"] }, by, at);
    for (const event of [first, second, third]) await putEvent(store, event);
  }
}

function config(id: string, name: string): object {
  const [db, table] = name.split(".");
  return {
    id,
    name: table,
    db,
    primary_key: "id",
    indexes: [],
    write_hook: null,
    shards: [{ primary_replica: "one", replicas: ["one"], nonvoting_replicas: [] }],
    write_acks: "majority",
    durability: "hard",
  };
}

const all = { tables: [], databases: [], renames: new Map(), allowInexact: false, nearest: false };

/** The documents of a table as a restore reads them, as one text. */
export async function restored(store: ObjectStore, table: string, at: Instant): Promise<string> {
  const repository = await openRepository(store);
  const plan = await planRestore(repository, { ...all, tables: [tableNames.get(table)!], at });
  const { base } = plan.tables[0]!;
  const log = await collect(store, [{ table, after: base.logFrom }], at);
  try {
    const documents: string[] = [];
    for await (const winners of mergeLatest([baseCursor(store, base), ...log.cursors(table)])) {
      for (const { version } of winners) {
        if (version.document !== null) documents.push(version.document.toString());
      }
    }
    return documents.join("\n");
  } finally {
    await log.dispose();
  }
}

/** A table at an instant, and what it held then. */
export interface Reading {
  table: string;
  at: Instant;
  documents: string;
}

/** Instants worth asking for: ends of spans and what is beside them, what is pinned, hours, changes. */
export async function instantsOf({ store, history, instants }: World): Promise<Instant[]> {
  const coverage = await readCoverage(store);
  const { begin, pinned, folded, last } = instants;
  const hours = Array.from({ length: 124 }, (_, i) => begin + i * hourMs - 1);
  const ends = [...coverage.values()].flatMap(({ intervals }) =>
    intervals.flatMap(({ from, to }) => [from - 1, from, to, to + 1]),
  );
  const changes = history.instants().filter((_, i) => i % 5 === 0);
  const all = new Set([pinned, folded, last, ...ends, ...changes, ...hours]);
  return [...all].sort((a, b) => a - b);
}

/** What is exact of those in a sound world. */
export async function readingsOf(world: World): Promise<Reading[]> {
  const coverage = await readCoverage(world.store);
  return (await instantsOf(world)).flatMap((at) =>
    [...coverage]
      .filter(([, of]) => isExactAt(intervalAt(of, at), at))
      .map(([table]) => ({ table, at, documents: world.history.at(table, at).join("\n") })),
  );
}
