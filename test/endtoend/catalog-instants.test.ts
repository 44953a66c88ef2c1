/**
 * Names, indexes, hooks, tables, databases, users and grants are changed all the time. At each instant a plan gives
 * them as they were then, or is refused and names instants on both sides that are not.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { ThinkbackError } from "../../src/errors.js";
import { openRepository } from "../../src/repository/repository.js";
import { RepositoryView } from "../../src/repository/repository-view.js";
import { planRestore, type RestorePlan } from "../../src/restore/plan.js";
import type { RestoreRequest } from "../../src/restore/request.js";
import { storeAt } from "../../src/storage/store-at.js";
import { r, type Term } from "../server/driver.js";
import { Random } from "../simulated/random.js";
import type { Running } from "./cli.js";
import { iso, Stage, stop } from "./stage.js";

const rounds = Number(process.env.THINKBACK_TEST_ROUNDS ?? 20);
const seed = Number(process.env.THINKBACK_TEST_SEED ?? 1);
/** By how much the clocks of two processes of one machine may differ: whole ms, and one that is set once. */
const clockMs = 5;
/** So far around a change instants are looked at, and so often. */
const aroundMs = 1600;
const everyMs = 130;
/** What is changed may be unknown for so long before and after: readings begin every second. */
const unknownMsMax = 1500;
/** Every other change is followed by so much rest. */
const restMs = 2500;

/** Each state that a thing of the catalog was given, with when it was asked for and when acknowledged. */
class States {
  private readonly states: { sent: number; acknowledged: number; state: string }[];

  constructor(first: string) {
    this.states = [{ sent: 0, acknowledged: 0, state: first }];
  }

  async change(state: string, work: () => Promise<unknown>): Promise<void> {
    const sent = Date.now();
    await work();
    this.states.push({ sent, acknowledged: Date.now(), state });
  }

  get last(): string {
    return this.states.at(-1)!.state;
  }

  /** The states that it may have had at an instant. */
  at(instant: number): string[] {
    const isOver = (i: number) =>
      (this.states[i + 1]?.acknowledged ?? Infinity) < instant - clockMs;
    return this.states
      .filter(({ sent }, i) => sent <= instant + clockMs && !isOver(i))
      .map(({ state }) => state);
  }

  /** When it was changed. */
  get changes(): number[] {
    return this.states.slice(1).map(({ acknowledged }) => acknowledged);
  }

  /** True if a change of it may make an instant unknown. */
  isNear(instant: number): boolean {
    return this.changes.some((moment) => Math.abs(moment - instant) < unknownMsMax);
  }
}

const shop = r.db("shop");
const states = {
  name: new States("shop.renamed"),
  index: new States(""),
  hook: new States("no hook"),
  grant: new States("no grant"),
  databases: new States("pulse shop"),
  tables: new States("shop.hooked shop.indexed shop.kept"),
};
type Thing = keyof typeof states;

let stage: Stage;
let repo: string;
let capture: Running;
let renamed: string;

beforeAll(async () => {
  stage = await Stage.open();
  repo = stage.repo("repository");
  await stage.query(r.dbCreate("shop"));
  for (const name of ["renamed", "indexed", "hooked", "kept"]) {
    await stage.query(shop.tableCreate(name));
    await stage.query(shop.table(name).insert({ id: 1 }));
  }
  await stage.query(r.db("rethinkdb").table("users").insert({ id: "clerk", password: "secret" }));
  renamed = await stage.query<string>(shop.table("renamed").info()("id"));
  capture = stage.capture(repo);
  await stage.untilExactNow(repo, "shop.renamed", "shop.indexed", "shop.hooked", "shop.kept");
}, 120_000);

afterAll(() => stage.close());

const config = (table: "table_config" | "db_config", of: object, to: object) =>
  stage.query(r.db("rethinkdb").table(table).filter(of).update(to));

const hook = (_: Term, __: Term, now: Term) => now;

const changes: Record<Thing, (round: number) => Promise<void>> = {
  async name(round) {
    const name = states.name.last.slice("shop.".length);
    await states.name.change(`shop.renamed_${round}`, () =>
      config("table_config", { id: renamed }, { name: `renamed_${round}` }),
    );
    expect(states.name.last).not.toBe(name);
  },
  async index(round) {
    const table = shop.table("indexed");
    if (states.index.last === "") {
      await states.index.change(`by_${round}`, () => stage.query(table.indexCreate(`by_${round}`)));
    } else {
      const term = table.indexDrop(states.index.last);
      await states.index.change("", () => stage.query(term));
    }
  },
  async hook() {
    const table = shop.table("hooked");
    const isSet = states.hook.last === "hook";
    await states.hook.change(isSet ? "no hook" : "hook", () =>
      stage.query(table.setWriteHook(isSet ? null : hook)),
    );
  },
  async grant() {
    const isGranted = states.grant.last === "grant";
    await states.grant.change(isGranted ? "no grant" : "grant", () =>
      stage.query(shop.grant("clerk", { write: isGranted ? null : true })),
    );
  },
  async databases(round) {
    const made = states.databases.last.split(" ").find((name) => name.startsWith("made"));
    if (made === undefined) {
      await states.databases.change(`made_${round} pulse shop`, () =>
        stage.query(r.dbCreate(`made_${round}`)),
      );
    } else {
      await states.databases.change("pulse shop", () => stage.query(r.dbDrop(made)));
    }
  },
  async tables(round) {
    const made = states.tables.last.split(" ").find((name) => name.startsWith("shop.made"));
    const others = "shop.hooked shop.indexed shop.kept";
    if (made === undefined) {
      await states.tables.change(`${others} shop.made_${round}`, () =>
        stage.query(shop.tableCreate(`made_${round}`)),
      );
    } else {
      const term = shop.tableDrop(made.slice("shop.".length));
      await states.tables.change(others, () => stage.query(term));
    }
  },
};

/** What a plan for everything says, in the words of the states. */
function said(plan: RestorePlan): Record<Thing, string> {
  const tableOf = (name: string) => plan.tables.find(({ config }) => config.name === name)!;
  const all = [
    ...plan.tables.map(({ config }) => `${config.db}.${config.name}`),
    ...plan.notCaptured,
  ];
  const isGranted = plan.access.grants.some(
    ({ user, scope, permissions }) =>
      user === "clerk" && scope.db === "shop" && permissions["write"] === true,
  );
  return {
    name: all.find((name) => name.startsWith("shop.renamed"))!,
    index: tableOf("indexed")
      .indexes.map(({ index }) => index)
      .join(),
    hook: tableOf("hooked").config.write_hook ? "hook" : "no hook",
    grant: isGranted ? "grant" : "no grant",
    databases: plan.databases.filter((name) => name !== "test").join(" "),
    tables: all
      .filter((name) => !/^pulse|renamed/.test(name))
      .sort()
      .join(" "),
  };
}

const everything: RestoreRequest = {
  tables: [],
  databases: [],
  renames: new Map(),
  nearest: false,
  allowInexact: false,
};

/** The plan; or the error if the instant is refused as not exact. */
async function planned(view: RepositoryView, request: RestoreRequest) {
  try {
    return await planRestore(view, request);
  } catch (error) {
    if (error instanceof ThinkbackError && ["instant", "unknown"].includes(error.code))
      return error;
    throw error;
  }
}

/** The nearest exact instants that a refusal names; others may follow. */
function nearestIn({ hint = "" }: ThinkbackError): number[] {
  const instants = hint.split(";")[0]!.match(/\d{4}-\d\d-\d\dT[\d:.]+\+00:00/g) ?? [];
  return instants.map((text) => Date.parse(text));
}

test(`at each instant around ${rounds} changes, what is called exact was acknowledged by then`, async () => {
  const random = new Random(seed);
  // Before the first instant that is looked at, everything is exact for some time.
  await new Promise((resolve) => setTimeout(resolve, restMs));
  const begun = Date.now();
  const things = Object.keys(changes) as Thing[];
  for (let round = 0; round < rounds; round += 1) {
    await new Promise((resolve) => setTimeout(resolve, random.below(900) + (round % 2) * restMs));
    // The first rounds change each thing once.
    await changes[things[round] ?? things[random.below(things.length)]!](round);
  }
  await stage.untilExact(repo, Date.now() + aroundMs, "shop.kept", states.name.last);
  expect((await stop(capture)).status).toBe(0);

  const view = await RepositoryView.read(await openRepository(storeAt(repo)));
  const moments = Object.values(states).flatMap((one) => one.changes);
  const instants = new Set<number>();
  for (const moment of moments) {
    for (let at = moment - aroundMs; at < moment + aroundMs; at += everyMs) {
      if (at > begun) instants.add(at + random.below(everyMs));
    }
  }
  const wrong: string[] = [];
  const count = { right: 0, refused: 0 };
  for (const at of [...instants].sort((a, b) => a - b)) {
    const whole = await planned(view, { ...everything, at });
    if (whole instanceof ThinkbackError) {
      count.refused += 1;
      const [before = Infinity, after = 0] = nearestIn(whole);
      const isNear = Object.values(states).some((one) => one.isNear(at));
      if (!isNear || before > at || after < at) {
        wrong.push(`${iso(at)}: ${whole.message}; ${whole.hint}`);
      }
      for (const near of nearestIn(whole)) {
        const one = await planned(view, { ...everything, at: near });
        if (one instanceof ThinkbackError) {
          wrong.push(`${iso(near)}, the nearest to ${iso(at)}: ${one.message}`);
        }
      }
    } else {
      const is = said(whole);
      const other = things.filter((thing) => !states[thing].at(at).includes(is[thing]));
      if (other.length === 0) count.right += 1;
      for (const thing of other) {
        const was = states[thing].at(at).join(" or ");
        wrong.push(`${thing} at ${iso(at)}: is "${is[thing]}", was "${was}"`);
      }
    }
    // Each table is restored as if no other one was changed.
    for (const [table, thing] of [["kept"], ["indexed", "index"], ["hooked", "hook"]] as const) {
      const one = await planned(view, { ...everything, tables: [`shop.${table}`], at });
      if (one instanceof ThinkbackError && !(thing && states[thing].isNear(at))) {
        wrong.push(`${table} at ${iso(at)}: ${one.message}`);
      }
    }
    // A table of whose name nothing is known is not called another, and not called gone.
    const names = states.name.at(at);
    for (const name of names) {
      const one = await planned(view, { ...everything, tables: [name], at });
      const isGone = one instanceof ThinkbackError && one.code === "unknown";
      if (isGone && names.length === 1) wrong.push(`${name} at ${iso(at)}: ${one.message}`);
    }
  }
  console.log(`${instants.size} instants: ${JSON.stringify(count)}, ${wrong.length} wrong`);
  expect(wrong.slice(0, 200)).toEqual([]);
  expect(count.right).toBeGreaterThan(0);
  expect(count.refused).toBeGreaterThan(0);
}, 300_000);
