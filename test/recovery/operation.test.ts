/** Operations over several tables: what is recorded before anything is written, and how long it is kept. */
import { beforeEach, describe, expect, test } from "vitest";
import { failedAfter } from "../../src/errors.js";
import type { Repository } from "../../src/format/description.js";
import { orderCode } from "../../src/key-order.js";
import { type OperatedTable, type Operating, operate } from "../../src/recovery/operation.js";
import { notedPoints } from "../../src/recovery/points.js";
import type { Selection } from "../../src/recovery/selection.js";
import { changesToTakeBack } from "../../src/recovery/taken-back.js";
import type { UndoStep } from "../../src/recovery/undo.js";
import {
  listOperations,
  readOperationEnd,
  recordingMsMax,
} from "../../src/repository/records/operations.js";
import type { RepositoryView } from "../../src/repository/repository-view.js";
import { StoreForbidden, StoreUnavailable } from "../../src/storage/object-store.js";
import { sweepOperations } from "../../src/upkeep/sweep-operations.js";
import { json, makeRepository, namesIn, StillClock } from "../repository/recording.js";
import { overriding } from "../simulation/overriding.js";
import { Live, names, reference } from "./live-tables.js";

const dayMs = 86_400_000;
let repository: Repository;
let live: Live;
let clock: StillClock;
let asked: string[];

beforeEach(async () => {
  repository = await makeRepository();
  live = new Live();
  clock = new StillClock();
  asked = [];
});

/** Changes each document that is not good into a good one. */
function good(name: string): OperatedTable {
  const table = reference(name);
  return {
    table,
    steps: async function* (only?: Selection): AsyncGenerator<UndoStep> {
      asked.push(only ? `${name} again` : name);
      for (const id of [1, 2, 3]) {
        const code = orderCode(json(id));
        if (only?.filter && !only.filter.has(code)) continue;
        const text = live.texts.get(`${name} ${id}`)!;
        const after = json({ id, status: "good" });
        if (text === String(after)) continue;
        yield { change: { code, key: json(id), before: Buffer.from(text), after } };
      }
    },
  };
}

const until = () => clock.now() + 30 * dayMs;

function operating(more: Partial<Operating["observer"]> = {}, of = repository): Operating {
  const observer = {
    planned: () => undefined,
    beforeWriting: async () => ({ until: until(), pin: "before" }),
    written: () => undefined,
    ...more,
  };
  const head = { id: "0123abcd", type: "undo" as const, repository: "r", description: "a test" };
  const { signal } = new AbortController();
  return { repository: of, target: live.target, head, clock, observer, signal };
}

const all = () => names.map(good);
const stored = () => namesIn(repository.store, "operations/");

describe("an operation over several tables", () => {
  test("is recorded for all tables before any is written, and ends for each", async () => {
    const found: number[] = [];
    live.onReplace = () => found.push(live.writes.length);
    const extents: unknown[] = [];
    const beforeWriting = async (extent: object) => {
      expect(await listOperations(repository.store)).toEqual([]);
      expect(live.writes).toEqual([]);
      extents.push(structuredClone(extent));
      return { until: until(), pin: "before" };
    };
    const result = await operate(operating({ beforeWriting }), all());
    expect(found[0]).toBe(0);
    expect(extents).toMatchObject([{ tables: 3, all: { documents: 9 } }]);
    expect(result).toMatchObject({ rounds: 3, wayBack: { pin: "before" } });
    expect(result.tables.map(({ table, written }) => [table.name, written.documents])).toEqual(
      names.map((name) => [name, 3]),
    );
    const rounds = await listOperations(repository.store, "0123abcd");
    expect(rounds.map(({ name, round, pin }) => [name, round, pin])).toEqual(
      names.map((name, i) => [`shop.${name}`, i + 1, "before"]),
    );
    for (const round of rounds) {
      expect(await readOperationEnd(repository.store, round)).toMatchObject({ written: 3 });
    }
    // Everything was compared once.
    expect(asked).toEqual(names);
  });

  test("that a failing write ends can be taken back whole", async () => {
    live.onReplace = (table) => {
      if (table === "carts") throw new Error("the server is gone");
    };
    await expect(operate(operating(), all())).rejects.toThrow("the server is gone");
    const taken = await changesToTakeBack(repository, "0123abcd");
    expect(taken.map(({ name }) => name)).toEqual(names.map((name) => `shop.${name}`));
    for (const { differences } of taken) {
      const keys = [];
      for await (const { key } of differences({})) keys.push(String(key));
      expect(keys).toEqual(["1", "2", "3"]);
    }
  });

  test("that is refused writes nothing and leaves nothing behind", async () => {
    const beforeWriting = () => Promise.reject(new Error("there are conflicts"));
    await expect(operate(operating({ beforeWriting }), all())).rejects.toThrow("conflicts");
    expect(live.writes).toEqual([]);
    expect(await stored()).toEqual([]);
    expect(asked).toEqual(names);
  });

  test("that has nothing to change asks nothing and stores nothing", async () => {
    for (const name of names) for (const id of [1, 2, 3]) live.set(name, id, "good");
    const beforeWriting = () => Promise.reject(new Error("asked"));
    expect(await operate(operating({ beforeWriting }), all())).toMatchObject({ rounds: 0 });
    expect(await stored()).toEqual([]);
  });

  test("looks again at what others change meanwhile, and leaves nothing that is as it should be", async () => {
    const once = new Set<string>();
    live.onReplace = (table) => {
      if (table !== "carts" || once.has(table)) return;
      once.add(table);
      live.set("carts", 1, "shipped");
      // Somebody else has done what was to be done.
      live.texts.set("carts 2", JSON.stringify({ id: 2, status: "good" }));
    };
    const result = await operate(operating(), all());
    expect(asked).toEqual([...names, "carts again"]);
    expect(result.tables[1]).toMatchObject({ written: { documents: 2 }, already: 1, left: [] });
    expect(new Set(live.texts.values()).size).toBe(3);
    expect(live.writes).toHaveLength(8);
  });

  test("that was cut short while it was recorded can be carried out again under its own id", async () => {
    const deletesNothing = overriding(repository.store, {
      delete: () => Promise.reject(new StoreForbidden("it may not be deleted", undefined)),
    });
    const beforeWriting = () => Promise.reject(new Error("ended"));
    const of = { ...repository, store: deletesNothing };
    await expect(operate(operating({ beforeWriting }, of), all())).rejects.toThrow("ended");
    expect(await stored()).toHaveLength(3);
    clock.instant += 1;
    expect(await operate(operating(), all())).toMatchObject({ rounds: 3 });
    expect(live.writes).toHaveLength(9);
  });

  test("ends with what has ended it, also if the store is away when its parts are discarded", async () => {
    const away = new StoreUnavailable("the store is away");
    const store = overriding(repository.store, { delete: () => Promise.reject(away) });
    const beforeWriting = () => Promise.reject(new Error("ended"));
    const running = operate(operating({ beforeWriting }, { ...repository, store }), all());
    const error: unknown = await running.catch((one: unknown) => one);
    expect(String(error)).toBe("Error: ended");
    expect(failedAfter(error)).toEqual([away]);
  });

  test("is not written if recording it took over a day: its parts may be deleted", async () => {
    const beforeWriting = async () => {
      clock.instant += recordingMsMax + 1;
      return { until: until() };
    };
    await expect(operate(operating({ beforeWriting }), all())).rejects.toMatchObject({
      code: "incomplete",
      hint: expect.stringContaining("nothing was written") as string,
    });
    expect(live.writes).toEqual([]);
  });

  /** Somebody changes a document of the first table after writing has taken longer than recording may. */
  const movedLate = (then: (table: string) => void = () => undefined) => {
    let isFirst = true;
    live.onReplace = (table) => {
      if (isFirst) {
        clock.instant += recordingMsMax + 1;
        live.set("orders", 1, "shipped");
      }
      isFirst = false;
      then(table);
    };
  };

  test("looks again at what others change, however long it has written by then", async () => {
    movedLate();
    const begun = clock.now();
    expect(await operate(operating(), all())).toMatchObject({ rounds: 4 });
    expect(live.writes).toHaveLength(9);
    const made = begun + recordingMsMax + 1;
    const rounds = await listOperations(repository.store, "0123abcd");
    expect(rounds.map((round) => [round.round, round.made])).toEqual([
      [1, begun],
      [2, begun],
      [3, begun],
      [4, made],
    ]);
    // It is one point, at its begin, of all its tables.
    const view = { pins: () => Promise.resolve([]) } as unknown as RepositoryView;
    const pointsIn = (from: number, to: number) => notedPoints(view, repository.store, from, to);
    const [point, ...more] = await pointsIn(begun, begun);
    expect(more).toEqual([]);
    expect(point!.at).toBe(begun);
    expect(point!.tableIds).toEqual(names.map((name) => reference(name).id));
    expect(await pointsIn(made, made)).toEqual([]);
  });

  test("does not say that nothing was written if recording a further round took over a day", async () => {
    movedLate();
    const steps = good("orders").steps;
    const slow = async function* (only?: Selection) {
      yield* steps(only);
      if (only) clock.instant += recordingMsMax + 1;
    };
    const failed = operate(operating(), [{ table: reference("orders"), steps: slow }]);
    await expect(failed).rejects.toMatchObject({
      code: "incomplete",
      hint: expect.not.stringContaining("nothing was written") as string,
    });
    expect(live.writes).toHaveLength(2);
  });

  test("has further rounds that sort after the first, though the clock is set back", async () => {
    const begun = clock.now();
    movedLate(() => (clock.instant = begun - 1));
    expect(await operate(operating(), all())).toMatchObject({ rounds: 4 });
    const rounds = await listOperations(repository.store, "0123abcd");
    expect(rounds.map(({ round }) => round)).toEqual([1, 2, 3, 4]);
  });
});

describe("records of operations", () => {
  const swept = async (aged: number, isPast = true) =>
    (await sweepOperations(repository.store, aged, () => isPast)).map(({ name }) => name);

  test("stay until their time is over by the log, and nothing holds them", async () => {
    await operate(operating(), all());
    expect(await swept(until())).toEqual([]);
    expect(await swept(until() + 1, false)).toEqual([]);
    expect((await swept(until() + 1)).sort()).toEqual((await stored()).sort());
  });

  test("that lost their manifest or cannot be read stay, for they may be put back", async () => {
    await operate(operating(), all());
    const manifest = (await stored()).find((name) => name.endsWith("manifest.json"))!;
    await repository.store.delete(manifest);
    const left = await swept(until() + 1);
    const prefix = manifest.slice(0, manifest.lastIndexOf("/"));
    expect(left.filter((name) => name.startsWith(prefix))).toEqual([]);
    expect(left.length).toBe((await stored()).length - 2);
    await repository.store.put(manifest, Buffer.from("{}"));
    expect((await swept(until() + 1)).filter((name) => name.startsWith(prefix))).toEqual([]);
  });

  test("without a manifest stay for as long as somebody may still publish them", async () => {
    const store = overriding(repository.store, {
      delete: () => Promise.reject(new StoreForbidden("it may not be deleted", undefined)),
    });
    const beforeWriting = () => Promise.reject(new Error("ended"));
    const of = { ...repository, store };
    await expect(operate(operating({ beforeWriting }, of), all())).rejects.toThrow("ended");
    const over = clock.now() + 2 * recordingMsMax;
    expect(await swept(over)).toEqual([]);
    expect(await swept(over + 1)).toEqual(await stored());
  });
});
