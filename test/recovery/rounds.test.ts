/** Operations of several rounds: what others do meanwhile, what became of each document, and what is taken back. */
import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import type { Repository } from "../../src/format/description.js";
import { orderCode } from "../../src/key-order.js";
import type { Difference } from "../../src/recovery/differences.js";
import { joined } from "../../src/recovery/joined.js";
import { type OperatedTable, type Operating, operate } from "../../src/recovery/operation.js";
import { and, type Selection } from "../../src/recovery/selection.js";
import { changesToTakeBack } from "../../src/recovery/taken-back.js";
import { type ConflictWay, type UndoStep, undoSteps } from "../../src/recovery/undo.js";
import {
  listOperations,
  OperationWriter,
  readOperationEnd,
} from "../../src/repository/records/operations.js";
import { json, makeRepository, StillClock } from "../repository/recording.js";
import { Live, reference } from "./live-tables.js";

const orders = reference("orders");
const ids = [1, 2, 3];
const key = (id: number) => `orders ${id}`;

let repository: Repository;
let live: Live;
let clock: StillClock;

beforeEach(async () => {
  repository = await makeRepository();
  live = new Live();
  clock = new StillClock();
});

const bad = (id: number) => json({ id, status: "bad" });
const good = (id: number) => json({ id, status: "good" });
const setTo = (id: number, of: object | null) => {
  if (of === null) live.texts.delete(key(id));
  else live.texts.set(key(id), JSON.stringify({ id, ...of }));
};
const statuses = () => ids.map((id) => JSON.parse(live.texts.get(key(id)) ?? "null") as unknown);

/** What is to be undone: each document was good, and was made bad. */
async function* badChanges(selection: Selection = {}): AsyncGenerator<Difference> {
  for (const id of ids) {
    const code = orderCode(json(id));
    if (selection.filter && !selection.filter.has(code)) continue;
    yield { code, key: json(id), before: good(id), after: bad(id) };
  }
}

function undoing(way: ConflictWay = "skip", differences = badChanges): OperatedTable {
  return {
    table: orders,
    steps: (only) => undoSteps(differences(and({}, only)), live.target, orders, way),
  };
}

/** What a plan says that was made while all were bad. */
function planned(): OperatedTable {
  return {
    table: orders,
    steps: async function* () {
      for (const id of ids) {
        const change = {
          code: orderCode(json(id)),
          key: json(id),
          before: bad(id),
          after: good(id),
        };
        yield { change };
      }
    },
  };
}

function run(id: string, of: OperatedTable, rounds?: number) {
  clock.instant += 1;
  const observer = {
    planned: () => undefined,
    beforeWriting: async () => ({ until: clock.now() + 30 * 86_400_000 }),
    written: () => undefined,
  };
  const head = { id, type: "undo" as const, repository: "r", description: "a test" };
  const { signal } = new AbortController();
  const operating: Operating = { repository, target: live.target, head, clock, observer, signal };
  return operate(operating, [of], rounds);
}

async function takeBack(id: string) {
  const [taken] = await changesToTakeBack(repository, id);
  const of: OperatedTable = {
    table: orders,
    steps: (only) => {
      return undoSteps(taken!.differences(and({}, only)), live.target, orders, "skip");
    },
  };
  return run("ffffffff", of);
}

/** Does something before one of the next writes: the first, the second and so on. */
function before(write: number, does: () => void): void {
  let seen = 0;
  live.onReplace = () => {
    seen += 1;
    if (seen === write) does();
  };
}

describe("an operation of several rounds", () => {
  test("is taken back whole, in key order", async () => {
    before(1, () => {
      setTo(1, { note: "x", status: "bad" });
      setTo(2, { note: "x", status: "bad" });
    });
    const { tables, rounds } = await run("0123abcd", undoing());
    expect(rounds).toBe(2);
    expect(tables[0]).toMatchObject({ written: { documents: 3 }, left: [] });
    live.onReplace = () => undefined;
    const [taken] = await changesToTakeBack(repository, "0123abcd");
    const keys: string[] = [];
    for await (const one of taken!.differences({})) keys.push(String(one.key));
    expect(keys).toEqual(["1", "2", "3"]);
    await takeBack("0123abcd");
    expect(statuses()).toEqual([
      { id: 1, note: "x", status: "bad" },
      { id: 2, note: "x", status: "bad" },
      { id: 3, status: "bad" },
    ]);
  });

  test("settles each document: as written, as right already, as in conflict", async () => {
    before(1, () => {
      setTo(1, { note: "x", status: "bad" });
      setTo(2, { status: "good" });
      setTo(3, { status: "shipped" });
    });
    const { tables } = await run("0123abcd", undoing("refuse"));
    expect(tables[0]).toMatchObject({ written: { documents: 1 }, already: 1 });
    expect(tables[0]!.left.map(({ key: of, why }) => [String(of), why])).toEqual([
      ["3", "conflict"],
    ]);
  });

  test("that is right by itself in the second round leaves nothing", async () => {
    before(1, () => setTo(1, { note: "x", status: "bad" }));
    let again = 0;
    const of = undoing();
    const steps: OperatedTable["steps"] = (only) => {
      if (only) {
        again += 1;
        setTo(1, { note: "x", status: "good" });
      }
      return of.steps(only);
    };
    const { tables } = await run("0123abcd", { table: orders, steps });
    expect(again).toBe(1);
    expect(tables[0]).toMatchObject({ written: { documents: 2 }, already: 1, left: [] });
  });

  test("names what others change each time", async () => {
    let note = 0;
    live.onReplace = () => setTo(1, { note: (note += 1), status: "bad" });
    const { tables, rounds } = await run("0123abcd", undoing());
    expect(rounds).toBe(5);
    expect(tables[0]!.left.map(({ key: of, why }) => [String(of), why])).toEqual([["1", "moved"]]);
  });
});

describe("what is taken back of an operation", () => {
  test("is not what another one had written at the same time", async () => {
    // Both have compared before either writes.
    const second = run.bind(undefined, "bbbbbbbb");
    const written = await new Promise<Awaited<ReturnType<typeof run>>>((resolve, reject) => {
      before(1, () => undefined);
      const of = undoing();
      const steps: OperatedTable["steps"] = async function* (only) {
        yield* of.steps(only);
        if (!only) await run("aaaaaaaa", undoing());
      };
      second({ table: orders, steps }).then(resolve, reject);
    });
    expect(written.tables[0]).toMatchObject({ written: { documents: 0 }, already: 3, left: [] });
    const [round] = await listOperations(repository.store, "bbbbbbbb");
    expect(await readOperationEnd(repository.store, round!)).toMatchObject({
      written: 0,
      already: 3,
      found: ["1", "2", "3"],
      left: [],
      unlisted: 0,
    });
    expect((await takeBack("bbbbbbbb")).rounds).toBe(0);
    expect(statuses()).toEqual(ids.map((id) => ({ id, status: "good" })));
    await takeBack("aaaaaaaa");
    expect(statuses()).toEqual(ids.map((id) => ({ id, status: "bad" })));
  });

  test("has what a killed run wrote, also of a document that was changed before the plan was given again", async () => {
    live.onReplace = () => {
      // The write is done; what the server answers is lost with the process.
      setTo(1, { status: "good" });
      setTo(2, { status: "good" });
      throw new Error("killed");
    };
    await expect(run("0123abcd", planned(), 1)).rejects.toThrow("killed");
    live.onReplace = () => undefined;
    setTo(1, { note: "since", status: "good" });
    const { tables } = await run("0123abcd", planned(), 1);
    expect(tables[0]).toMatchObject({ written: { documents: 1 }, already: 1 });
    expect(tables[0]!.left.map(({ key: of }) => String(of))).toEqual(["1"]);
    await takeBack("0123abcd");
    expect(statuses()).toEqual([
      { id: 1, note: "since", status: "bad" },
      { id: 2, status: "bad" },
      { id: 3, status: "bad" },
    ]);
  });

  test("has nothing of a document that a killed run has not written, though others have changed it", async () => {
    live.onReplace = () => {
      throw new Error("killed");
    };
    setTo(1, { status: "moved" });
    await expect(run("0123abcd", planned(), 1)).rejects.toThrow("killed");
    live.onReplace = () => undefined;
    await run("0123abcd", planned(), 1);
    const [taken] = await changesToTakeBack(repository, "0123abcd");
    for (const way of ["refuse", "force"] as const) {
      const found: UndoStep[] = [];
      const differences = taken!.differences({});
      for await (const step of undoSteps(differences, live.target, orders, way)) found.push(step);
      expect(found.flatMap(({ conflict }) => conflict ?? [])).toEqual([]);
      // But it is told that it is left.
      expect(found.flatMap(({ unknown }) => unknown ?? [])).toEqual([orderCode(json(1))]);
      expect(found.flatMap(({ change }) => (change ? String(change.key) : []))).toEqual(["2", "3"]);
    }
    await takeBack("0123abcd");
    expect(statuses()).toEqual([
      { id: 1, status: "moved" },
      { id: 2, status: "bad" },
      { id: 3, status: "bad" },
    ]);
  });

  test("is what a model says, whatever others do between the writes", async () => {
    const doing = fc.record({
      write: fc.integer({ min: 1, max: 4 }),
      id: fc.constantFrom(...ids),
      to: fc.constantFrom<object | null>(
        { status: "good" },
        { note: 1, status: "bad" },
        { status: "shipped" },
        null,
      ),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(doing, { maxLength: 4 }), async (others) => {
        repository = await makeRepository();
        live = new Live();
        let writes = 0;
        live.onReplace = () => {
          writes += 1;
          for (const { write, id, to } of others) if (write === writes) setTo(id, to);
        };
        live.writes = [];
        const { tables } = await run("0123abcd", undoing());
        const [{ written, already, left }] = tables as [(typeof tables)[number]];
        expect(written.documents).toBe(live.writes.length);
        expect(written.documents + already + left.length).toBe(3);
        const wrote = new Set(live.writes);
        live.onReplace = () => undefined;
        const after = new Map(live.texts);
        await takeBack("0123abcd");
        for (const id of ids) {
          const [was, is] = [after.get(key(id)), live.texts.get(key(id))];
          // What the operation has not written stays; what it has written, and nobody changed, is bad again.
          if (!wrote.has(key(id))) expect(is).toBe(was);
          else if (was?.includes("good")) expect(is).toContain("bad");
        }
      }),
      { numRuns: 200, seed: 20261128 },
    );
  });
});

describe("keys that do not rise", () => {
  const change = (id: number) => ({ key: json(id), before: null, after: json({ id }) });
  const coded = async function* (...of: number[]) {
    for (const id of of) yield { code: orderCode(json(id)) };
  };

  test.each([[[1, 1]], [[2, 1]], [["a", "a"]], [[0, -0]]])("are not recorded: %j", async (keys) => {
    const about = {
      repository: "r",
      id: "0123abcd",
      type: "undo" as const,
      round: 1,
      made: clock.now(),
      table: orders.id,
      name: "shop.orders",
      description: "a test",
    };
    const writer = new OperationWriter(repository.store, about);
    await writer.add({ ...change(0), key: json(keys[0]) });
    const again = writer.add({ ...change(0), key: json(keys[1]) });
    await expect(again).rejects.toMatchObject({ code: "internal" });
  });

  test.each([
    [[1, 1], [1]],
    [[1], [1, 1]],
    [[2, 1], [3]],
  ])("are not joined: %j and %j", async (a, b) => {
    const join = async () => {
      for await (const _ of joined(coded(...a), coded(...b)));
    };
    await expect(join()).rejects.toMatchObject({ code: "internal" });
  });
});
