/**
 * Random histories: what undo and rewind do to a live table, against a plain model of it. The live table is a map that
 * guards writes as the server does.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { orderCode } from "../../src/key-order.js";
import { carryOut } from "../../src/recovery/carry-out.js";
import { differencesBetween, differencesToLive } from "../../src/recovery/differences.js";
import { pathText } from "../../src/recovery/field-tree.js";
import { type PastTable, pastTable } from "../../src/recovery/past.js";
import { selectBetween, selectKeys } from "../../src/recovery/selection.js";
import { type Conflict, undoSteps } from "../../src/recovery/undo.js";
import type { DocumentChange } from "../../src/repository/records/operations.js";
import { RepositoryView } from "../../src/repository/repository-view.js";
import { planRestore } from "../../src/restore/plan.js";
import type { Target } from "../../src/rethinkdb/target.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import { foldUp, json, makeRepository, Recording, StillClock } from "../repository/recording.js";

const table = "0a000000-0000-4000-8000-000000000001";
const reference = { id: table, db: "shop", name: "orders", primaryKey: "id" };
const endless = new AbortController().signal;

type Fields = Record<string, number>;
type Model = Map<number, Fields | null>;

/** A change of one document: null deletes it. */
interface Step {
  key: number;
  fields: Fields | null;
  /** What happens after it: a tick ends, or the log is folded. */
  ends: "nothing" | "tick" | "fold";
}

const fields = fc.dictionary(fc.constantFrom("a", "b", "c"), fc.integer({ min: 0, max: 2 }));
const step: fc.Arbitrary<Step> = fc.record({
  key: fc.integer({ min: 0, max: 7 }),
  fields: fc.option(fields, { freq: 5, nil: null }),
  ends: fc.constantFrom("nothing", "nothing", "tick", "fold"),
});
const history = fc.record({
  begin: fc.array(fields, { minLength: 4, maxLength: 4 }),
  first: fc.array(step, { maxLength: 12 }),
  bad: fc.array(step, { minLength: 1, maxLength: 8 }),
  since: fc.array(step, { maxLength: 8 }),
});

const documentOf = (key: number, of: Fields) => ({ ...sorted(of), id: key });
const sorted = (of: Fields) =>
  Object.fromEntries(Object.entries(of).sort(([a], [b]) => (a < b ? -1 : 1)));
const textOf = (key: number, of: Fields | null | undefined) =>
  of ? JSON.stringify(sorted({ ...of, id: key })) : null;

/** A live table that guards writes. */
class Live {
  readonly documents = new Map<string, Buffer>();
  writes = 0;

  constructor(model: Model) {
    for (const [key, of] of model) {
      const text = textOf(key, of);
      if (text) this.documents.set(String(key), Buffer.from(text));
    }
  }

  get target(): Target {
    const all = () => [...this.documents].sort(([a], [b]) => Number(a) - Number(b));
    return {
      writesAtOnce: 2,
      documents: async (_: unknown, keys: Buffer[]) =>
        keys.map((key) => this.documents.get(String(key)) ?? null),
      replace: async (
        _: unknown,
        writes: { key: Buffer; expected: Buffer | null; document: Buffer | null }[],
      ) =>
        writes.map(({ key, expected, document }) => {
          const live = this.documents.get(String(key)) ?? null;
          if (String(live) !== String(expected)) return "moved";
          this.writes += 1;
          if (document) this.documents.set(String(key), document);
          else this.documents.delete(String(key));
          return "written";
        }),
      sync: async () => {},
      scan: async function* () {
        yield {
          forEach: (visit: (key: Buffer, document: Buffer) => void) => {
            for (const [key, document] of all()) visit(Buffer.from(key), document);
          },
        };
      },
    } as unknown as Target;
  }

  texts(): (string | null)[] {
    return Array.from(
      { length: 8 },
      (_, key) => this.documents.get(String(key))?.toString() ?? null,
    );
  }
}

/** Records a history; gives the states and the pasts before and after the bad stretch, and the live table. */
async function recorded(of: { begin: Fields[]; first: Step[]; bad: Step[]; since: Step[] }) {
  const repository = await makeRepository(new MemoryStore());
  const recording = await Recording.begin(repository, new StillClock());
  recording.catalogRead();
  recording.catalog(["db", "d1"], { id: "d1", name: "shop" });
  const shards = [{ primary_replica: "one", replicas: ["one"], nonvoting_replicas: [] }];
  const settings = { durability: "hard", write_acks: "majority", write_hook: null, indexes: [] };
  const config = { id: table, db: "shop", name: "orders", primary_key: "id", shards, ...settings };
  recording.catalog(["table", table], config);
  recording.catalog(["indexes", table], { indexes: [] });
  const since = recording.log.stamp().time;
  recording.coverage(table, { state: "copying", since });
  const model: Model = new Map(of.begin.map((one, key) => [key, one]));
  const rows = of.begin.map((one, key): [number, object] => [key, documentOf(key, one)]);
  const base = await recording.copy(table, rows);
  const copied = await recording.tick(50);
  await base.finish(copied, since - 1);
  recording.coverage(table, { state: "live", since: copied });
  const tick = () => recording.tick(50);
  const play = async (steps: Step[]) => {
    for (const [i, { key, fields: to, ends }] of steps.entries()) {
      recording.put(table, key, to && documentOf(key, to));
      model.set(key, to);
      if (ends !== "nothing") await tick();
      if (ends === "fold")
        await foldUp(repository, recording.clock.instant, undefined, {
          unique: `f${steps.length}x${i}`,
        });
    }
    return { at: await tick(), state: new Map(model) };
  };
  const before = await play(of.first);
  const after = await play(of.bad);
  const now = await play(of.since);
  const view = await RepositoryView.read(repository);
  const past = async (at: number): Promise<PastTable> =>
    pastTable(
      repository,
      await planRestore(view, {
        at,
        tables: ["shop.orders"],
        databases: [],
        renames: new Map(),
        allowInexact: false,
        nearest: false,
      }),
    );
  const coverage = (await view.coverage()).tables.get(table);
  return { before, after, now, past, coverage, live: new Live(now.state) };
}

const texts = (state: Model) => Array.from({ length: 8 }, (_, key) => textOf(key, state.get(key)));

async function* changes(of: AsyncIterable<{ change?: DocumentChange }>) {
  for await (const { change } of of) if (change) yield change;
}

describe("of random histories", () => {
  test("what differs between two instants is what differs between the states, read from the log or by keys", async () => {
    await fc.assert(
      fc.asyncProperty(history, async (of) => {
        const { before, after, past, coverage } = await recorded(of);
        const [earlier, later] = [await past(before.at), await past(after.at)];
        const ways = [coverage, undefined].flatMap((known) =>
          [undefined, 0, 2].map((keysMax) => [known, keysMax] as const),
        );
        for (const [known, keysMax] of ways) {
          const found: (string | null)[][] = [];
          for await (const one of differencesBetween(earlier, later, known, {}, keysMax)) {
            found.push([one.key, one.before, one.after].map((text) => text && text.toString()));
          }
          const expected = texts(before.state)
            .map((was, key) => [String(key), was, texts(after.state)[key]!])
            .filter(([, was, is]) => was !== is);
          expect(found).toEqual(expected);
        }
      }),
      { numRuns: 60, seed: 20261128 },
    );
  });

  test("what differs from the live table is found key by key, and whole where too many differ; of a range too", async () => {
    await fc.assert(
      fc.asyncProperty(history, fc.nat(7), async (of, last) => {
        const { before, now, past, live } = await recorded(of);
        const earlier = await past(before.at);
        for (const keysMax of [undefined, 0, 2]) {
          for (const selection of [{}, selectBetween(undefined, json(last))]) {
            const way = [earlier, live.target, reference, selection, endless, keysMax] as const;
            const found: (string | null)[][] = [];
            for await (const one of differencesToLive(...way)) {
              found.push([one.key, one.before, one.after].map((text) => text && text.toString()));
            }
            const expected = texts(before.state)
              .map((was, key) => [String(key), was, texts(now.state)[key]!])
              .filter(
                ([key, was, is]) =>
                  was !== is && ("filter" in selection ? Number(key) <= last : true),
              );
            expect(found).toEqual(expected);
          }
        }
        const twice = selectKeys([json(last), json(last)]);
        let differing = 0;
        for await (const _ of differencesToLive(earlier, live.target, reference, twice, endless))
          differing += 1;
        expect(differing).toBe(texts(before.state)[last] === texts(now.state)[last] ? 0 : 1);
      }),
      { numRuns: 60, seed: 20261128 },
    );
  });

  test("a rewind gives what a restore gives, and writes nothing else; of some keys, also given twice, only those", async () => {
    const someKeys = fc.array(fc.integer({ min: 0, max: 7 }), { minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(history, someKeys, async (of, keys) => {
        const { before, now, past, live } = await recorded(of);
        const earlier = await past(before.at);
        const rewind = async (selection = {}) => {
          const found = differencesToLive(earlier, live.target, reference, selection, endless);
          const steps = (async function* () {
            for await (const { code, key: of, before: was, after: is } of found) {
              yield { change: { code, key: of, before: is, after: was } };
            }
          })();
          return carryOut(live.target, reference, changes(steps), () => undefined, endless);
        };
        const expected = texts(now.state);
        for (const key of keys) expected[key] = texts(before.state)[key]!;
        await rewind(selectKeys(keys.map(json)));
        expect(live.texts()).toEqual(expected);
        const differing = texts(before.state).filter((text, i) => text !== live.texts()[i]).length;
        const { written } = await rewind();
        expect(live.texts()).toEqual(texts(before.state));
        expect(written.documents).toBe(differing);
      }),
      { numRuns: 60, seed: 20261128 },
    );
  });

  test("an undo conflicts in exactly the fields that were set to something else since", async () => {
    await fc.assert(
      fc.asyncProperty(history, async (of) => {
        const { before, after, now, past, coverage, live } = await recorded(of);
        const differences = differencesBetween(
          await past(before.at),
          await past(after.at),
          coverage,
        );
        const conflicts: Conflict[] = [];
        const steps = async function* () {
          for await (const one of undoSteps(differences, live.target, reference, "skip")) {
            if (one.conflict) conflicts.push(one.conflict);
            yield one;
          }
        };
        await carryOut(live.target, reference, changes(steps()), () => undefined, endless);
        const expected: string[] = [];
        const states = Array.from({ length: 8 }, (_, key) => {
          const [was, made, is] = [before.state, after.state, now.state].map(
            (state) => state.get(key) ?? null,
          ) as [Fields | null, Fields | null, Fields | null];
          const { fields: result, paths } = undone(was, made, is);
          if (paths.length > 0) expected.push(`${key}: ${paths.join()}`);
          return textOf(key, paths.length > 0 ? is : result);
        });
        expect(
          conflicts.map(({ key, paths }) => `${String(key)}: ${paths.map(pathText).join()}`),
        ).toEqual(expected);
        expect(live.texts()).toEqual(states);
      }),
      { numRuns: 120, seed: 20261128 },
    );
  });
});

/** What an undo should make of flat fields. */
function undone(was: Fields | null, made: Fields | null, is: Fields | null) {
  const same = (a: Fields | null, b: Fields | null) => textOf(0, a) === textOf(0, b);
  if (same(was, made) || same(is, was)) return { fields: is, paths: [] };
  if (same(is, made)) return { fields: was, paths: [] };
  if (!was || !made || !is) return { fields: is, paths: ["(document)"] };
  const result: Fields = {};
  const paths: string[] = [];
  for (const name of ["a", "b", "c"]) {
    const [old, set, now] = [was[name], made[name], is[name]];
    const isConflict = old !== set && now !== set && now !== old;
    if (isConflict) paths.push(name);
    const value = old !== set && now === set ? old : now;
    if (value !== undefined) result[name] = value;
  }
  return { fields: result, paths };
}

test("keys of the model are in the order of their codes", () => {
  const codes = Array.from({ length: 8 }, (_, key) => orderCode(json(key)));
  expect(codes).toEqual(codes.toSorted());
});
