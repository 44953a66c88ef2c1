/** A server, its load, the capture, and what is known of all three. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { status } from "../endtoend/cli.js";
import { until } from "../endtoend/stage.js";
import { type DriverConnection, r } from "../server/driver.js";
import { realServerKind, startServer, type TestServer } from "../server/find-server.js";
import { db, LoadedTable } from "./load.js";
import { Marker } from "./marker.js";
import { Questions } from "./questions.js";
import type { Facts } from "./report.js";
import { Sampler } from "./sampler.js";
import type { Quantity } from "./samples.js";
import { type DrillOutcome, drillOnce, gaps, judge, judgeEnd, type Verdict } from "./verify.js";
import { WatchedCapture } from "./watched-capture.js";

const names = ["orders", "invoices", "carts"];

const options = [
  ["--maintain-every", "1m"],
  ["--fold-every", "10m"],
  ["--grace", "2m"],
  ["--keep", "all:1d"],
].flat();

/** For a first copy, and for what was captured to become restorable, on a machine with too much to do. */
const patienceMs = 600_000;

/** Samples in a minute. */
const perMinute = 12;

export interface SoakPlan {
  hours: number;
  /** Changes a second, of all tables together. */
  rate: number;
  documents: number;
  /** How many instants are restored at the end. */
  instants: number;
}

export class Soak {
  readonly failures: string[] = [];
  readonly sampler: Sampler;
  private readonly repo: string;
  private readonly source: string;
  private readonly capture: WatchedCapture;
  private readonly verdicts: Verdict[] = [];
  private questions: Questions | undefined;
  private drill: DrillOutcome | undefined;
  private ending = false;

  private constructor(
    private readonly plan: SoakPlan,
    private readonly server: TestServer,
    private readonly connection: DriverConnection,
    private readonly directory: string,
    private readonly tables: LoadedTable[],
    private readonly marker: Marker,
  ) {
    this.repo = repoIn(directory);
    this.source = `rethinkdb://${server.host}:${server.port}`;
    const what = ["--source", this.source, "--repo", this.repo, "--include", `${db}.*`];
    this.capture = new WatchedCapture([...what, ...options]);
    this.sampler = new Sampler(this.repo, this.capture, tables, marker);
    void this.capture.ended.then((code) => {
      if (!this.ending) this.failures.push(`the capture ended by itself with ${code}`);
    });
  }

  /** Starts a server, fills its tables, and starts the capture. Refuses without a real server. */
  static async open(plan: SoakPlan): Promise<Soak> {
    if ((await realServerKind()) === undefined) {
      throw new Error("without a real server a soak says nothing: put a `rethinkdb` on the PATH");
    }
    const server = await startServer();
    try {
      return await Soak.on(server, plan);
    } catch (error) {
      await server.stop();
      throw error;
    }
  }

  private static async on(server: TestServer, plan: SoakPlan): Promise<Soak> {
    const directory = await mkdtemp(join(tmpdir(), "thinkback-soak-"));
    const connect = async () => {
      const connection = await r.connect(server);
      connection.on("error", () => undefined);
      return connection;
    };
    const connection = await connect();
    await r.dbCreate(db).run(connection);
    const marker = await Marker.make(connection, repoIn(directory));
    const tables: LoadedTable[] = [];
    for (const [i, name] of names.entries()) {
      const documents = Math.ceil(plan.documents / names.length);
      tables.push(await LoadedTable.make(connection, name, documents, i, connect));
    }
    return new Soak(plan, server, connection, directory, tables, marker);
  }

  /** The load, while everything is measured. `keep` is called every minute, so that a soak that is cut short left something. */
  async load(keep: () => Promise<void>): Promise<void> {
    const { plan, tables, capture, marker, sampler } = this;
    const isCaptured = () => capture.liveTables() === names.length + 1;
    await until("everything is captured", isCaptured, patienceMs);
    marker.watch(1);
    const ms = plan.hours * 3_600_000;
    const began = Date.now();
    const instants = Array.from({ length: plan.instants }, () =>
      Math.floor(began + ms * Math.random()),
    );
    const questions = new Questions(tables, instants);
    this.questions = questions;
    const stop = new AbortController();
    const writing = tables.map((table) => table.writeUntil(stop.signal, plan.rate / names.length));
    const sampling = sampler.run(stop.signal, async (count) => {
      questions.note(Date.now());
      if (count % perMinute !== 0) return;
      this.say();
      await keep();
    });
    let timer: NodeJS.Timeout | undefined;
    const enough = new Promise((resolve) => (timer = setTimeout(resolve, ms)));
    try {
      await Promise.race([enough, Promise.all(writing), sampling, capture.ended]);
    } finally {
      clearTimeout(timer);
      stop.abort();
      await Promise.all([...writing, sampling]);
    }
    questions.note(Date.now());
  }

  /** Restores, compares, drills. */
  async verify(): Promise<void> {
    const { repo, marker, connection, verdicts } = this;
    const ended = Date.now();
    const isRestorable = async () => {
      await marker.measure();
      return Date.parse((await status(repo)).restorableUntil ?? "") > ended + 1500;
    };
    await until("everything is restorable", isRestorable, patienceMs);
    const where = { repo, target: this.source, connection };
    for (const question of this.questions?.asked ?? []) verdicts.push(await judge(where, question));
    for (const table of this.tables) verdicts.push(await judgeEnd(where, table));
    for (const { instant, table, wrong } of verdicts) {
      if (wrong !== 0) this.failures.push(`${table} at ${instant}: ${wrong} wrong`);
    }
    for (const gap of gaps(await status(repo))) this.failures.push(`a gap: ${gap}`);
    if (marker.lost > 0) this.failures.push(`${marker.lost} markers not durable in a minute`);
    this.drill = await drillOnce(repo);
  }

  facts(): Facts {
    const { plan, server, sampler, capture, verdicts, drill, failures } = this;
    const { rate, documents } = plan;
    return {
      server: `${server.kind} server, rethinkdb ${server.version}`,
      node: process.version,
      hours: Number(((sampler.samples.seconds.at(-1) ?? 0) / 3600).toFixed(3)),
      rate,
      documents,
      options: options.join(" "),
      counts: Object.fromEntries(this.tables.map(({ name, counts }) => [name, counts])),
      rounds: capture.rounds,
      warnings: capture.warnings,
      verdicts,
      drill,
      failures,
    };
  }

  async endCapture(): Promise<void> {
    this.ending = true;
    const code = await this.capture.end("SIGTERM");
    if (code !== 0) this.failures.push(`the capture ended with ${code} after SIGTERM`);
  }

  /** The repository is kept if something is wrong, for whoever looks into it. */
  async close(): Promise<void> {
    this.marker.close();
    await this.connection.close();
    await this.server.stop();
    if (this.failures.length > 0) console.log(`\nthe repository is kept in ${this.repo}`);
    else await rm(this.directory, { recursive: true, force: true });
  }

  private say(): void {
    const { samples } = this.sampler;
    const last = (name: Quantity) => samples.values[name].findLast((value) => value !== null) ?? 0;
    const said = [
      new Date().toISOString(),
      `${last("changeRate").toFixed(0)} changes/s`,
      `${last("rss").toFixed(0)} MiB resident`,
      `${last("handles")} handles`,
      `lag ${last("durableLag").toFixed(1)} s durable, ${last("restorableLag").toFixed(1)} s restorable`,
      `${last("objects")} objects of ${last("repositoryBytes").toFixed(0)} MiB`,
      `${this.capture.warnings.length} warnings`,
    ];
    console.log(said.join("  "));
  }
}

function repoIn(directory: string): string {
  return join(directory, "repository");
}
