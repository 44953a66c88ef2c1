/** A real process whose machine's clock is set wrong, and right again, by libfaketime. The server's clock is right. */
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { r } from "../server/driver.js";
import { cli, type Running, start, untilStatus } from "./cli.js";
import { FakeClock, findLibrary } from "./fake-clock.js";
import { iso, kill, Stage, stop, tableOf, until } from "./stage.js";

const library = findLibrary();
if (!library) {
  console.warn(
    "libfaketime is not installed: the clock of a real process is NOT tested (apt: libfaketime)",
  );
}

let stage: Stage;
let repo: string;
let clock: FakeClock;
const running: Running[] = [];
/** When each document was written and acknowledged, by its number. */
const written = new Map<number, { before: number; after: number }>();

beforeAll(async () => {
  stage = await Stage.open();
  repo = stage.repo("clock");
  const found = FakeClock.find(join(stage.directory, "wrong-by"));
  if (found) clock = found;
  await stage.query(r.dbCreate("shop"));
  await stage.query(r.db("shop").tableCreate("orders"));
  stage.onClose(() => Promise.all(running.map(kill)));
});

afterAll(() => stage.close());

/** A capture on a machine whose clock may be set wrong. */
function capture(): Running {
  const one = start(
    ["run", "--source", stage.address, "--repo", repo, "--tick", "1s", "--no-fold"],
    clock.env,
  );
  running.push(one);
  return one;
}

async function write(): Promise<void> {
  const id = written.size;
  const before = Date.now();
  await stage.query(r.db("shop").table("orders").insert({ id }));
  written.set(id, { before, after: Date.now() });
}

/** Writes every 300 ms. */
async function work(ms: number): Promise<void> {
  const end = Date.now() + ms;
  while (Date.now() < end) {
    await write();
    const next = Date.now() + 300;
    await until("the next write is due", () => Date.now() >= next);
  }
}

/** The table is captured completely, and proven up to now. A quiet table would prove itself every ten seconds only. */
async function untilProven(): Promise<void> {
  await write();
  const { after } = [...written.values()].at(-1)!;
  await untilStatus(repo, async (now) => {
    await write();
    const table = tableOf(now, "shop.orders");
    return table?.state === "live" && Date.parse(table.lastRestorable ?? "") > after + 2000;
  });
}

/** What is shown of the document two seconds before it was written, and two seconds after. */
function shownAround(id: number) {
  const { before, after } = written.get(id)!;
  const show = (at: number) =>
    cli(["show", "--repo", repo, "shop.orders", String(id), "--at", iso(at)]);
  return Promise.all([show(before - 2000), show(after + 2000)]);
}

/** At exact instants the document is not there two seconds before it was written, and is there two seconds after. */
async function expectRightLabel(id: number, shown = shownAround(id)): Promise<void> {
  const [early, late] = await shown;
  expect({ id, status: early.status, is: early.stderr }).toMatchObject({ id, status: 6 });
  expect({ id, status: late.status, is: late.stderr }).toMatchObject({ id, status: 0 });
}

test.skipIf(!library)(
  "a clock that is a day ahead for 1.5 s moves no label",
  async () => {
    clock.set("+0");
    const one = capture();
    await untilProven();
    await work(4000);
    const first = written.size;
    clock.set("+1d");
    await work(1500);
    clock.set("+0");
    await work(3000);
    await untilProven();
    for (let id = first - 4; id < first + 8; id += 2) await expectRightLabel(id);
    const { stderr } = await stop(one);
    expect(stderr.match(/does not confirm it/g)).toHaveLength(1);
    expect(stderr.match(/is right again/g)).toHaveLength(1);
  },
  120_000,
);

test.skipIf(!library)(
  "a start by such a clock, and by one ten years back, is refused and costs nothing",
  async () => {
    const last = written.size - 1;
    for (const offset of ["+1d", "-3650d"]) {
      clock.set(offset);
      const { status, stderr } = await capture().finished;
      expect(status).toBe(13);
      expect(stderr).toContain("this machine's clock says");
    }
    await expectRightLabel(last - 8);
    clock.set("+0");
    const one = capture();
    await untilProven();
    const id = written.size;
    await work(5000);
    await untilProven();
    await expectRightLabel(id + 8);
    expect((await stop(one)).status).toBe(0);
  },
  120_000,
);

test.skipIf(!library).each(["+9", "-9"])(
  "lanes that are shared go by the server's clock: one that is off by %s s at the start and is set right moves no label",
  async (wrong) => {
    repo = stage.repo(`lanes${wrong}`);
    expect(await cli(["init", "--plain", "--repo", repo])).toMatchObject({ status: 0 });
    expect(await cli(["lanes", "set", "2", "--repo", repo])).toMatchObject({ status: 0 });
    clock.set(wrong);
    const one = capture();
    await untilProven();
    const first = written.size;
    await work(4000);
    clock.set("+0");
    await work(8000);
    await untilProven();
    let exact = 0;
    for (let id = first + 4; id < written.size; id += 8) {
      const shown = await shownAround(id);
      // On a busy machine some proofs come too late for an exact instant.
      if (shown.some(({ stderr }) => stderr.includes("that instant is late by"))) continue;
      await expectRightLabel(id, Promise.resolve(shown));
      exact += 1;
    }
    expect(exact).toBeGreaterThan(2);
    const { stderr } = await stop(one);
    expect(stderr.match(/does not confirm it/g)?.length, stderr).toBeGreaterThan(0);
  },
  240_000,
);
