/**
 * npm run model: checks the models of the protocols in this folder with spin, and that spin finds every error that is
 * planted in them. Ends with status 1 if anything is otherwise than it stands here. docs/reliability.md.
 * With --quick, as .ci/run does it, without the searches that take longest.
 */
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { parseArgs, promisify } from "node:util";

const execute = promisify(execFile);

/** `holds`: no assertion fails in any state. `fails`: one does, because an error is planted or a state is reached. */
type Outcome = "holds" | "fails";

interface Check {
  model: "writers" | "holds";
  /** What is planted or asked. */
  what: string;
  defines: string[];
  expected: Outcome;
}

interface Checked {
  outcome: Outcome;
  states: number;
  /** The assertion that fails. */
  assertion: string | undefined;
}

const pair = ["WRITERS=2", "CHANGES=2", "PROOFS=2", "SEGMENTS=2"];
const three = ["WRITERS=3", "CHANGES=1", "PROOFS=1", "SEGMENTS=1"];

const ofPair = (what: string, expected: Outcome, ...defines: string[]): Check => ({
  model: "writers",
  what: `two writers: ${what}`,
  defines: [...pair, ...defines],
  expected,
});
const ofThree = (what: string, expected: Outcome, ...defines: string[]): Check => ({
  model: "writers",
  what: `three writers: ${what}`,
  defines: [...three, ...defines],
  expected,
});
const ofHolds = (what: string, expected: Outcome, ...defines: string[]): Check => ({
  model: "holds",
  what: `holds: ${what}`,
  defines,
  expected,
});

const long: Check[] = [
  ofThree("the protocol", "holds"),
  ofThree("two hand-overs in a row are possible", "fails", "REACHED=2"),
];

const quick: Check[] = [
  ofThree("claims are put over each other", "fails", "NO_CONDITIONAL_CREATE"),
  ofThree("a third writer between is not noticed", "fails", "EPOCH_BETWEEN_IGNORED"),
  ofThree("no second look for a silent writer", "fails", "LOOKS_ONCE"),
  ofPair("the protocol", "holds"),
  ofPair("a hand-over without a gap is possible", "fails", "REACHED=1"),
  ofPair("readers believe every segment", "fails", "PREVIOUS_IGNORED"),
  ofPair("the proof may be older than `since`", "fails", "SINCE_NOT_CHECKED"),
  ofPair("feeds are opened after the wish", "fails", "FEEDS_AFTER_WISH"),
  ofPair("`since` is taken before the wish is found", "fails", "SINCE_BEFORE_LOOK"),
  ofPair("a proof covers only what is acknowledged", "fails", "PROOF_OF_ACKNOWLEDGED"),
  ofPair("a feed is appended before it has caught up", "fails", "APPENDS_UNPROVEN"),
  // It loses nothing: no table ever goes on.
  ofPair("answered after the last proof", "holds", "ANSWERS_AFTER_LAST_PROOF", "REACHED=1"),
  ofHolds("the protocol", "holds"),
  ofHolds("a sweep ignores holds", "fails", "HOLDS_IGNORED"),
  ofHolds("a sweep ignores the grace time", "fails", "GRACE_IGNORED"),
  ofHolds("a sweep allows nothing for what began before", "fails", "ALLOWANCE_IGNORED"),
  ofHolds("a reader places its hold too late", "fails", "HOLD_PLACED_LATE"),
  ofHolds("holds are listed before the sweep's time", "fails", "HOLDS_OF_THE_VIEW"),
  ofHolds("the replacement appears long after its time", "fails", "PUBLISHED_LATE"),
];

const { values } = parseArgs({ options: { quick: { type: "boolean", default: false } } });
const checks = values.quick ? quick : [...long, ...quick];

const atOnce = 2;
const depthMax = 20_000;
const memoryMaxMb = 2048;

async function requireTool(tool: string, option: string): Promise<void> {
  try {
    await execute(tool, [option]);
  } catch {
    throw new Error(
      `${tool} does not run: install Debian's packages spin and gcc, as .ci/run does`,
    );
  }
}

async function check({ model, defines }: Check): Promise<Checked> {
  const directory = await mkdtemp(join(tmpdir(), "thinkback-model-"));
  try {
    const at = { cwd: directory, maxBuffer: 64 * 1024 * 1024 };
    const source = join(import.meta.dirname, `${model}.pml`);
    await execute("spin", ["-a", ...defines.map((define) => `-D${define}`), source], at);
    const options = ["-O1", "-w", "-DSAFETY", "-DCOLLAPSE", `-DMEMLIM=${memoryMaxMb}`];
    await execute("gcc", [...options, "-o", "pan", "pan.c"], at);
    // -E: a process may end anywhere, for it may crash anywhere.
    const { stdout } = await execute(join(directory, "pan"), ["-E", `-m${depthMax}`], at);
    return outcomeOf(stdout);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function outcomeOf(report: string): Checked {
  const errors = /errors: (\d+)/.exec(report)?.[1];
  const states = Number(/(\d+) states, stored/.exec(report)?.[1]);
  const assertion = /^pan:1: assertion violated (.*) \(at depth/m.exec(report)?.[1]?.trim();
  if (errors === "1" && assertion !== undefined) return { outcome: "fails", states, assertion };
  // A search that was cut short shows nothing.
  const isWhole = !/max search depth|Search not completed|reached -DMEMLIM/.test(report);
  if (errors === "0" && isWhole) return { outcome: "holds", states, assertion: undefined };
  throw new Error(`the search did not come to its end:\n${report}`);
}

let failed = 0;

async function report(one: Check): Promise<void> {
  const began = performance.now();
  const { outcome, states, assertion } = await check(one);
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  const isRight = outcome === one.expected;
  const found = outcome === "holds" ? "no assertion fails" : `fails: ${assertion}`;
  console.log(
    `${isRight ? "ok  " : "FAIL"} ${one.what}: ${found} (${states} states, ${seconds} s)`,
  );
  if (isRight) return;
  failed += 1;
  const defines = one.defines.map((define) => `-D${define}`).join(" ");
  console.log(
    `     expected: ${one.expected}. To see how: spin -search -E ${defines} test/model/${one.model}.pml`,
  );
}

async function main(): Promise<void> {
  await requireTool("spin", "-V");
  await requireTool("gcc", "--version");
  const left = [...checks];
  const work = async () => {
    for (let next = left.shift(); next; next = left.shift()) await report(next);
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  console.log(
    failed === 0 ? "every model is as it should be" : `${failed} are not as they should be`,
  );
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  failed += 1;
}
process.exitCode = failed === 0 ? 0 : 1;
