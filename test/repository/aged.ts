/** A repository of so many days, as maintenance leaves it: what a command meets that begins. */
import type { Repository } from "../../src/format/description.js";
import type { Instant } from "../../src/instant.js";
import { declareKeep } from "../../src/repository/registers/settings.js";
import type { ObjectStore } from "../../src/storage/object-store.js";
import { maintain } from "../../src/upkeep/maintain.js";
import { patient } from "./month.js";
import { foldUp, History, makeRepository, Recording, StillClock } from "./recording.js";

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;
/** A writer is followed by the next one, with a gap between them. */
const daysOfWriter = 10;

/** Ids of so many tables. */
const idsOf = (count: number) =>
  Array.from(
    { length: count },
    (_, i) => `0a000000-0000-4000-8000-${String(i + 1).padStart(12, "0")}`,
  );

/** Those that change. */
export const agedTables = idsOf(3);

/** When its last tick ends. */
export const agedEnd: Instant = Date.UTC(2026, 10, 21, 23, 57);

/**
 * Days of history of three tables: a folded segment of each day but the last, of each hour and ten minutes of that day,
 * single segments of the last seven minutes, a claim of each ten days, and the bases that are kept of one in each
 * twentieth of the time. Segments, and folded segments, that others stand for are deleted.
 * @param tables how many there are; all but three never change
 */
export async function agedRepository(
  days: number,
  store?: ObjectStore,
  tables = agedTables.length,
): Promise<Repository> {
  const repository = await makeRepository(store);
  const clock = new StillClock(agedEnd - days * dayMs);
  // Where a tier follows, folded segments stay a day long.
  await declareKeep(repository.store, "all:400d, 1h:800d", clock.instant);
  const aging = new Aging(repository, clock, idsOf(tables));
  await aging.workUntil(agedEnd - dayMs, dayMs);
  await aging.workUntil(agedEnd - 17 * minuteMs, 5 * minuteMs);
  await aging.workUntil(agedEnd, 1000);
  await maintained(repository, clock, "fold");
  for (let base = 1; base <= 20; base += 1) {
    await foldUp(repository, agedEnd - Math.floor(days * (1 - base / 20)) * dayMs, agedTables);
  }
  await maintained(repository, clock, "expire");
  return repository;
}

/** What the writer knows when a tick closes: the source's clock is as its own. */
const measured = { serverClock: { offsetMs: 0, uncertaintyMs: 5 } };

class Aging {
  private readonly history = new History();
  private recording: Recording | undefined;
  private writers = 0;
  private revision = 0;

  constructor(
    private readonly repository: Repository,
    private readonly clock: StillClock,
    private readonly tables: string[],
  ) {}

  async workUntil(until: Instant, tickMs: number): Promise<void> {
    const { clock } = this;
    while (clock.instant + tickMs <= until) {
      const isOver = tickMs === dayMs && this.revision % daysOfWriter === 0;
      if (!this.recording || isOver) await this.nextWriter();
      this.revision += 1;
      for (const table of agedTables) {
        const id = this.revision % 20;
        this.recording!.put(table, id, { id, revision: this.revision });
      }
      await this.recording!.tick(tickMs - agedTables.length - 1, measured);
    }
  }

  private async nextWriter(): Promise<void> {
    const { clock, history, repository } = this;
    const isFirst = !this.recording;
    clock.instant += isFirst ? 0 : minuteMs;
    const recording = await Recording.begin(repository, clock, history);
    this.recording = recording;
    this.writers += 1;
    recording.catalogRead();
    if (isFirst) recording.catalog(["db", "d1"], { id: "d1", name: "shop" });
    const since = clock.instant;
    const writers = [];
    for (const table of this.tables) {
      recording.coverage(table, { state: isFirst ? "copying" : "resyncing", since });
      if (!isFirst) continue;
      recording.catalog(["table", table], {
        id: table,
        db: "shop",
        name: `t${Number(table.slice(-12))}`,
      });
      const rows = Array.from({ length: 20 }, (_, id) => [id, { id, revision: 0 }] as const);
      writers.push(await recording.copy(table, rows as never));
    }
    const live = await recording.tick(10);
    for (const writer of writers) await writer.finish(live, since - 1);
    for (const table of this.tables) recording.coverage(table, { state: "live", since: live });
    await recording.tick(10);
  }
}

/** One round of maintenance, right after which everything that was replaced is deleted. */
export async function maintained(
  repository: Repository,
  clock: StillClock,
  unique: string,
): Promise<void> {
  await maintain(
    repository,
    {
      clock: patient(clock),
      owner: { host: "test", process: 2, isAlive: () => false },
      unique,
      partial: false,
      settleMs: 0,
      expires: true,
      graceMs: 0,
    },
    { onRows: () => undefined, phase: () => undefined },
  );
}
