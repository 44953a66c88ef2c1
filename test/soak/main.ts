/**
 * The soak: a steady load on a real server, captured by the real command for hours, with everything measured that may
 * grow. `npm run soak -- --hours 1`. Ends with status 1 if anything is wrong.
 */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { status } from "../endtoend/cli.js";
import { until } from "../endtoend/stage.js";
import { r } from "../server/driver.js";
import { realServerKind, startServer } from "../server/find-server.js";
import { db, LoadedTable } from "./load.js";
import { Marker } from "./marker.js";
import { writePlots } from "./plots.js";
import { Sampler } from "./sampler.js";
import { quantities } from "./samples.js";
import { settledAfter, summaryTable } from "./summary.js";
import { type DrillOutcome, drillOnce, holes, judge, judgeEnd, type Verdict } from "./verify.js";
import { WatchedCapture } from "./watched-capture.js";

const { values } = parseArgs({
  options: {
    hours: { type: "string", default: "1" },
    rate: { type: "string", default: "300" },
    documents: { type: "string", default: "30000" },
    instants: { type: "string", default: "4" },
    out: { type: "string", default: "docs/soak" },
  },
});
const hours = positive("hours");
const rate = positive("rate");
const documents = positive("documents");
const instants = positive("instants");

function positive(name: "hours" | "rate" | "documents" | "instants"): number {
  const number = Number(values[name]);
  if (!(number > 0)) throw new Error(`--${name} ${values[name]} is not a number above 0`);
  return number;
}

const names = ["orders", "invoices", "carts"];
const options = [
  "--maintain-every",
  "1m",
  "--fold-every",
  "10m",
  "--grace",
  "2m",
  "--keep",
  "all:1d",
];

const failures: string[] = [];
const say = (text: string) => console.log(`${new Date().toISOString().slice(0, 19)}Z  ${text}`);

if ((await realServerKind()) === undefined) {
  throw new Error(
    "the soak says nothing without a real server: there is no `rethinkdb` on the PATH",
  );
}
const server = await startServer();
const directory = await mkdtemp(join(tmpdir(), "thinkback-soak-"));
const repo = join(directory, "repository");
const source = `rethinkdb://${server.host}:${server.port}`;
const connect = async () => {
  const connection = await r.connect(server);
  connection.on("error", () => undefined);
  return connection;
};
const connection = await connect();
await r.dbCreate(db).run(connection);
const marker = await Marker.make(connection, repo);
const tables: LoadedTable[] = [];
for (const [i, name] of names.entries()) {
  tables.push(await LoadedTable.make(connection, name, documents / names.length, i, connect));
}
say(`${documents} documents in ${names.length} tables are there`);

const capture = new WatchedCapture([
  "--source",
  source,
  "--repo",
  repo,
  "--include",
  `${db}.*`,
  ...options,
]);
let ending = false;
void capture.ended.then((code) => {
  if (!ending) failures.push(`the capture ended by itself with ${code}`);
});

const stop = new AbortController();
const sampler = new Sampler(repo, capture, tables, marker);
const verdicts: Verdict[] = [];
let drill: DrillOutcome | undefined;
try {
  await until("everything is captured", () => capture.liveTables() === names.length + 1, 120_000);
  marker.watch(1);
  const began = Date.now();
  say(`captured; ${rate} changes a second for ${hours} hours`);
  const writing = Promise.all(
    tables.map((table) => table.writeUntil(stop.signal, rate / names.length)),
  );
  const sampling = sampler.run(stop.signal, (count) => {
    if (count % 12 !== 0) return;
    say(lastText());
    void write();
  });
  await Promise.race([
    new Promise((resolve) => setTimeout(resolve, hours * 3_600_000)),
    writing,
    sampling,
    capture.ended,
  ]);
  stop.abort();
  await Promise.all([writing, sampling]);
  const ended = Date.now();
  say("the writers have ended");
  await until(
    "everything is restorable",
    async () => {
      await marker.measure();
      return Date.parse((await status(repo)).restorableUntil ?? "") > ended + 1500;
    },
    60_000,
  );
  for (let i = 0; i < instants; i += 1) {
    const instant = Math.floor(began + (ended - began) * Math.random());
    for (const table of tables)
      verdicts.push(await judge(repo, source, connection, table, instant));
  }
  for (const table of tables) verdicts.push(await judgeEnd(repo, source, connection, table));
  say("judged");
  for (const hole of holes(await status(repo))) failures.push(`a hole: ${hole}`);
  drill = await drillOnce(repo);
  if (!drill.ok) failures.push(`the drill failed: ${JSON.stringify(drill)}`);
} catch (error) {
  failures.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
} finally {
  stop.abort();
  ending = true;
  const code = await capture.end("SIGTERM");
  if (code !== 0) failures.push(`the capture ended with ${code} after SIGTERM`);
}
marker.close();
await report();
await connection.close();
await server.stop();
if (failures.length > 0) say(`the repository is kept in ${repo}`);
else await rm(directory, { recursive: true, force: true });
process.exitCode = failures.length > 0 ? 1 : 0;

function lastText(): string {
  const { samples } = sampler;
  const last = (name: keyof typeof quantities) =>
    samples.values[name].findLast((value) => value !== null) ?? 0;
  return (
    `${last("changeRate").toFixed(0)} changes/s, ${last("rss").toFixed(0)} MiB resident, ${last("handles")} handles, ` +
    `lag ${last("durableLag").toFixed(1)} s durable and ${last("restorableLag").toFixed(1)} s restorable, ` +
    `${last("objects")} objects of ${last("repositoryBytes").toFixed(0)} MiB, ${capture.warnings.length} warnings`
  );
}

async function report(): Promise<void> {
  for (const { instant, table, wrong } of verdicts) {
    if (wrong !== 0) failures.push(`${table} at ${instant}: ${wrong} wrong`);
  }
  if (marker.lost > 0) failures.push(`${marker.lost} markers were not durable within a minute`);
  const facts = await write();
  const { samples } = sampler;
  console.log(`\n${summaryTable(samples)}`);
  console.log(`\nslopes are those of the samples after the first ${100 * settledAfter} %`);
  console.log(`\n${JSON.stringify({ ...facts, rounds: capture.rounds.length }, undefined, 2)}`);
  for (const failure of failures) console.log(`\nFAILURE ${failure}`);
}

async function write() {
  const { samples } = sampler;
  const counts = Object.fromEntries(tables.map((table) => [table.name, table.counts]));
  const facts = {
    server: `${server.kind}, rethinkdb ${server.version}`,
    node: process.version,
    hours: Number(((samples.seconds.at(-1) ?? 0) / 3600).toFixed(3)),
    rate,
    documents,
    options: options.join(" "),
    counts,
    rounds: capture.rounds,
    warnings: capture.warnings,
    verdicts,
    drill,
    failures,
  };
  await mkdir(values.out, { recursive: true });
  const lines = Object.entries(samples.values).map(
    ([name, read]) => `    ${JSON.stringify(name)}: ${JSON.stringify(read)}`,
  );
  await writeFile(
    join(values.out, "samples.json"),
    `{\n  "facts": ${JSON.stringify(facts, undefined, 2).replaceAll("\n", "\n  ")},\n` +
      `  "quantities": ${JSON.stringify(quantities)},\n  "seconds": ${JSON.stringify(samples.seconds)},\n` +
      `  "values": {\n${lines.join(",\n")}\n  }\n}\n`,
  );
  await writePlots(samples, values.out);
  return facts;
}
