/** Alarms in simulated time: whatever comes and goes, and whoever is away or killed, each cause is told once, and its end. */
import { describe, expect, test } from "vitest";
import {
  emptyBook,
  noticesMax,
  observed,
  silenced,
  undeliveredMsMax,
  unsilenced,
} from "../../src/alarms/book.js";
import { KeptBook } from "../../src/alarms/kept-book.js";
import { alarmKinds } from "../../src/alarms/kinds.js";
import { endsAfterMs } from "../../src/alarms/slack.js";
import { parseCron } from "../../src/upkeep/schedule.js";
import { Random } from "../simulated/random.js";
import { World } from "./simulated.js";

const away = { kind: "store-away" as const, of: "", text: "the store is away" };
const damaged = { kind: "damaged" as const, of: "", text: "damaged" };
const table = (of: string) => ({
  kind: "table-unproven" as const,
  of,
  text: `${of} is not proven`,
});
const causes = [away, damaged, table("a"), table("b")];

async function minutes(world: World, count: number): Promise<void> {
  for (let i = 0; i < 4 * count; i += 1) await world.step(15_000);
}

/** Everything is right again, and everybody is there. */
async function healed(world: World): Promise<void> {
  world.symptoms.clear();
  world.refusing.clear();
  world.isStoreAway = false;
  world.killAfter = undefined;
  await minutes(world, 12);
}

/** Of each alarm that a channel was told of: first its raising, then its end, each once, and never two of one cause. */
function judge(world: World): void {
  const told = world.toldTo("webhook");
  expect(world.toldTo("slack")).toEqual(told);
  const open = new Set<string>();
  const seen = new Set<string>();
  for (const letter of world.got.get("webhook")!) {
    const key = `${letter.alarm!.kind} ${letter.alarm!.of}`;
    if (seen.has(letter.id)) continue;
    seen.add(letter.id);
    if (letter.type === "raised") {
      expect(open).not.toContain(key);
      open.add(key);
      expect(seen).not.toContain(letter.id.replace("raised", "ended"));
    } else {
      expect(open).toContain(key);
      open.delete(key);
      expect(seen).toContain(letter.id.replace("ended", "raised"));
    }
  }
  expect([...open]).toEqual([]);
}

/** The stretches that each cause has to be told of, by a model that knows nothing of books. */
class Model {
  readonly raised = new Map<string, number>();
  private readonly of = new Map<string, { stands: boolean; since: number | undefined }>();

  look(world: World): void {
    for (const cause of causes) {
      const key = `${cause.kind} ${cause.of}`;
      const known = this.of.get(key) ?? { stands: false, since: undefined };
      this.of.set(key, known);
      const isThere = world.symptoms.has(key);
      if (isThere === known.stands) {
        known.since = undefined;
        continue;
      }
      known.since ??= world.clock.ms;
      const waits = isThere ? alarmKinds[cause.kind].afterMs : endsAfterMs;
      if (world.clock.ms - known.since < waits) continue;
      known.stands = isThere;
      known.since = undefined;
      if (isThere) this.raised.set(key, (this.raised.get(key) ?? 0) + 1);
    }
  }

  /** A new process begins to wait anew. */
  forget(): void {
    for (const known of this.of.values()) known.since = undefined;
  }
}

const raisedIn = (world: World) => {
  const raised = new Map<string, number>();
  const ids = new Set<string>();
  for (const { id, type, alarm } of world.got.get("webhook")!) {
    if (type !== "raised" || ids.has(id)) continue;
    ids.add(id);
    const key = `${alarm!.kind} ${alarm!.of}`;
    raised.set(key, (raised.get(key) ?? 0) + 1);
  }
  return raised;
};

const seeds = Array.from({ length: 12 }, (_, i) => i + 1);

describe("symptoms that come and go, while the store and the receivers do too", () => {
  test.each(seeds)(
    "seed %i: each is raised and ended once, as often as it has lasted",
    async (seed) => {
      const random = new Random(seed);
      const world = new World(random);
      const model = new Model();
      for (let i = 0; i < 150; i += 1) {
        for (const cause of causes) if (random.below(8) === 0) world.toggle(cause);
        if (random.below(10) === 0) world.isStoreAway = !world.isStoreAway;
        for (const name of ["webhook", "slack"]) {
          if (random.below(12) > 0) continue;
          if (!world.refusing.delete(name)) world.refusing.add(name);
        }
        // A process that is killed while the store is away takes with it what was never stored.
        if (!world.isStoreAway && random.below(15) === 0) {
          await world.step(0);
          await world.step(10_000);
          model.look(world);
          world.begin();
          model.forget();
        }
        await world.step(5000 + random.below(90_000));
        model.look(world);
      }
      world.symptoms.clear();
      world.refusing.clear();
      world.isStoreAway = false;
      for (let i = 0; i < 60; i += 1) {
        await world.step(15_000);
        model.look(world);
      }
      judge(world);
      expect(raisedIn(world)).toEqual(model.raised);
    },
  );
});

describe("a process that is killed in the middle of anything", () => {
  test.each(seeds)("seed %i: loses nothing that it has told", async (seed) => {
    const random = new Random(1000 + seed);
    const world = new World(random);
    for (let i = 0; i < 120; i += 1) {
      for (const cause of causes) if (random.below(8) === 0) world.toggle(cause);
      if (random.below(5) === 0) world.killAfter = random.below(8);
      if (random.below(12) === 0 && !world.refusing.delete("slack")) world.refusing.add("slack");
      await world.step(5000 + random.below(90_000));
    }
    world.killAfter = undefined;
    world.symptoms.clear();
    for (const cause of causes) world.toggle(cause);
    await minutes(world, 7);
    const open = (await bookOf(world)).book.open.map(({ kind, of }) => `${kind} ${of}`);
    expect(open.sort()).toEqual(causes.map(({ kind, of }) => `${kind} ${of}`).sort());
    await healed(world);
    judge(world);
  });
});

async function bookOf(world: World): Promise<KeptBook> {
  const kept = new KeptBook(world.store, world.clock);
  await kept.read();
  return kept;
}

describe("an alarm", () => {
  test("is told while the store is away, and what others have silenced meanwhile stays", async () => {
    const world = new World(new Random(1));
    await world.step(1000);
    world.isStoreAway = true;
    world.toggle(away);
    await minutes(world, 3);
    expect(world.toldTo("webhook")).toEqual([expect.stringMatching(/^raised store-away-/)]);
    const other = await bookOf(world);
    const now = world.clock.now();
    const silence = { what: "damaged", since: now, until: now + 3_600_000, reason: "known" };
    other.apply((book) => silenced(book, silence));
    await other.keep();
    world.isStoreAway = false;
    world.toggle(away);
    await minutes(world, 1);
    world.toggle(damaged);
    await minutes(world, 3);
    const { book } = await bookOf(world);
    expect(book.silences).toEqual([silence]);
    expect(book.open).toMatchObject([{ kind: "damaged", told: false }]);
    expect(world.toldTo("webhook").map((text) => text.slice(0, -9))).toEqual([
      "raised store-away",
      "ended store-away",
    ]);
  });

  test("that is silenced is told when the silence ends, and its end only if it was told", async () => {
    const world = new World(new Random(1));
    await world.step(1000);
    const silence = async (what: string, ms: number) => {
      const kept = await bookOf(world);
      const [since, reason] = [world.clock.now(), "known"];
      kept.apply((book) => silenced(book, { what, since, until: since + ms, reason }));
      await kept.keep();
      await world.step(15_000);
    };
    await silence("damaged", 600_000);
    world.toggle(damaged);
    await minutes(world, 2);
    world.toggle(damaged);
    await minutes(world, 2);
    world.toggle(damaged);
    await minutes(world, 2);
    expect(world.toldTo("webhook")).toEqual([]);
    await minutes(world, 10);
    expect(world.toldTo("webhook")).toHaveLength(1);
    const { id } = (await bookOf(world)).book.open[0]!;
    await silence(id, 600_000);
    world.toggle(damaged);
    await minutes(world, 2);
    expect(world.toldTo("webhook")).toEqual([`raised ${id}`, `ended ${id}`]);
    const kept = await bookOf(world);
    kept.apply((book) => unsilenced(book, id));
    await kept.keep();
    expect((await bookOf(world)).book.silences).toEqual([]);
  });

  test("of a kind that cannot be judged now stays as it is", async () => {
    const world = new World(new Random(1));
    world.toggle(table("a"));
    await minutes(world, 6);
    world.toggle(away);
    world.symptoms.delete("table-unproven a");
    world.unjudged.add("table-unproven");
    await minutes(world, 6);
    expect(world.toldTo("webhook").map((text) => text.slice(0, -9))).toEqual([
      "raised table-unproven",
      "raised store-away",
    ]);
    world.unjudged.clear();
    await healed(world);
    judge(world);
  });

  test("record that is damaged is passed over, and the next one is put after it", async () => {
    const world = new World(new Random(1));
    world.toggle(damaged);
    await minutes(world, 2);
    const names = [];
    for await (const { name } of world.store.list("alarms/")) names.push(name);
    await world.store.delete(names.at(-1)!);
    await world.store.put(names.at(-1)!, Buffer.from("{}"));
    world.begin();
    await minutes(world, 2);
    expect((await bookOf(world)).book.open).toMatchObject([{ kind: "damaged" }]);
  });
});

describe("what is undelivered", () => {
  test("waits for a receiver that is away for days, but not for ever, and not without bound", () => {
    const standing = new Map([["damaged ", { ...damaged, since: 0 }]]);
    let book = emptyBook;
    for (let now = 1; now <= noticesMax + 100; now += 1) {
      book = observed(book, now % 2 === 1 ? standing : new Map(), now, ["slack"]);
    }
    expect(book.notices).toHaveLength(noticesMax);
    expect(book.notices.at(-1)).toMatchObject({ type: "ended", at: noticesMax + 100 });
    const later = 1000 + undeliveredMsMax;
    const left = observed(book, new Map(), later, ["slack"]).notices;
    expect(left.map(({ at }) => at)).toEqual(
      book.notices.flatMap(({ at }) => (at >= 1000 ? [at] : [])),
    );
  });

  test("comes in order, and once, when the receiver is back", async () => {
    const world = new World(new Random(1));
    world.refusing.add("webhook");
    for (let i = 0; i < 3; i += 1) {
      world.toggle(damaged);
      await minutes(world, 2);
    }
    expect(world.got.get("webhook")).toEqual([]);
    world.refusing.clear();
    world.begin();
    await minutes(world, 2);
    expect(world.toldTo("webhook")).toEqual(world.toldTo("slack"));
    expect(world.got.get("webhook")).toHaveLength(3);
  });
});

test("a digest is sent at its time, once, and after a standstill one for all that were missed", async () => {
  const digests = parseCron("0 9 * * *");
  const world = new World(new Random(1), { digests, digestText: () => "all is well" });
  await minutes(world, 59);
  expect(world.got.get("webhook")).toEqual([]);
  await minutes(world, 2);
  expect(world.got.get("webhook")).toMatchObject([
    { type: "digest", text: "all is well", alarm: null, at: "2026-11-28T09:00:00.000+00:00" },
  ]);
  world.begin();
  await minutes(world, 5);
  expect(world.got.get("webhook")).toHaveLength(1);
  await world.step(3 * 86_400_000);
  await minutes(world, 5);
  expect(world.got.get("webhook")).toHaveLength(2);
});

describe("a process whose capture has failed", () => {
  test("tells of it before it ends, once, and the next one tells that it is over", async () => {
    const world = new World(new Random(1));
    await world.step(1000);
    await world.end();
    expect(world.got.get("webhook")).toEqual([]);
    await world.end("the store is read-only");
    const [letter, ...more] = world.got.get("slack")!;
    expect(letter).toMatchObject({
      type: "raised",
      alarm: { kind: "capture-down", severity: "critical" },
    });
    expect(letter!.text).toContain("the store is read-only");
    expect(more).toEqual([]);
    world.begin();
    await minutes(world, 3);
    expect(world.got.get("slack")!.map(({ type }) => type)).toEqual(["raised", "ended"]);
    judge(world);
  });

  test("tells of it also if the store is what it has failed by", async () => {
    const world = new World(new Random(1));
    await world.step(1000);
    world.isStoreAway = true;
    await world.end("the store is read-only");
    expect(world.toldTo("webhook")).toHaveLength(1);
  });

  test("does not, if nobody wants to know", async () => {
    const world = new World(new Random(1), { afterMs: () => undefined });
    await world.step(1000);
    await world.end("the store is read-only");
    expect(world.toldTo("webhook")).toEqual([]);
  });
});
