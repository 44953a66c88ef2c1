/** The cluster under torture, its writers, and the capture that must keep up with what is done to both. */
import { rename, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cli, type Running, type StatusResult, status } from "../endtoend/cli.js";
import { FakeClock } from "../endtoend/fake-clock.js";
import { Ledger } from "../endtoend/ledger.js";
import { Stage, until } from "../endtoend/stage.js";
import { readTable } from "../endtoend/workload.js";
import { type DriverConnection, r, type Term } from "../server/driver.js";
import { Events } from "./events.js";
import { Gate } from "./gate.js";
import { type Member, makeMembers } from "./members.js";
import { Rounds } from "./rounds.js";
import { Servers } from "./servers.js";
import { db, pause, type Slot, TortureTable } from "./table.js";
import { loadMixed, loadRounds, writeMixed, writeRound, writeUntil } from "./writers.js";

/** Soft writes are flushed after about a second; a busy disk may take longer. */
const unflushedMs = 10_000;
/** So many changes of one update are more than a feed delivers in two seconds. */
const massDocuments = 20_000;
/** What a machine has whose clock nobody may trust. */
const exitClock = 13;

const mixedTables = [
  { name: "steady", documents: 2000, writers: 2 },
  { name: "sharded", documents: 2000, writers: 1 },
  { name: "doomed", documents: 400, writers: 1 },
];

export class World {
  readonly tables: TortureTable[] = [];
  readonly steady: Slot<Ledger>;
  readonly sharded: Slot<Ledger>;
  readonly doomed: Slot<Ledger>;
  readonly mass: Slot<Rounds>;
  /** What must not be: a capture that ended by itself, a command that failed. */
  readonly failures: string[] = [];
  readonly events: Events;
  /** Acknowledged writes that the source itself lost. */
  readonly lost: string[] = [];
  readonly began: number = Date.now();
  readonly repo: string;
  /** Undefined where there is no libfaketime. */
  readonly clock: FakeClock | undefined;
  private readonly stopWriters = new AbortController();
  private writing: Promise<void>[] = [];
  private running: Running | undefined;
  private ending: Running | undefined;
  /** Shares the lanes with the first one; only with `--lanes`. */
  private second: Running | undefined;
  private endingSecond: Running | undefined;
  /** What captures have logged that have ended. */
  private readonly logs: string[] = [];

  private constructor(
    readonly stage: Stage,
    readonly servers: Servers,
    events: Events,
    mixed: Slot<Ledger>[],
    mass: Slot<Rounds>,
    /** Tables are captured in several lanes, which two processes share. */
    private readonly hasLanes: boolean,
  ) {
    this.repo = stage.repo("repository");
    this.events = events;
    this.clock = FakeClock.find(stage.repo("wrong-by"));
    [this.steady, this.sharded, this.doomed] = mixed as [Slot<Ledger>, Slot<Ledger>, Slot<Ledger>];
    this.mass = mass;
    this.tables.push(...this.slots.map(({ table }) => table));
  }

  /** @param servers how many there will be; the first of them runs */
  static async make(seed: number, servers: number, hasLanes: boolean): Promise<World> {
    const { stage, members } = await stageOf(servers);
    const { connection } = stage;
    await r.dbCreate(db).run(connection);
    const mixed: Slot<Ledger>[] = [];
    for (const [i, { name, documents, writers }] of mixedTables.entries()) {
      const table = await TortureTable.make(connection, name, new Ledger());
      for (let of = 0; of < writers; of += 1) {
        await loadMixed(table, connection, 10 * i + of, documents);
      }
      mixed.push({ table, gate: new Gate() });
    }
    const table = await TortureTable.make(connection, "mass", new Rounds(massDocuments));
    await loadRounds(table, connection);
    const mass = { table, gate: new Gate() };
    const events = new Events();
    const cluster = new Servers(stage, members, events);
    const world = new World(stage, cluster, events, mixed, mass, hasLanes);
    // With what was killed just before, it may be the second of three.
    cluster.onCrash = (at) => {
      for (const { book } of world.tables) book.noteCrash(at, unflushedMs);
    };
    world.startWriters(seed);
    await world.startCapture();
    if (hasLanes) await world.setLanes(3);
    await world.keepCapture();
    return world;
  }

  get slots(): Slot[] {
    return [this.steady, this.sharded, this.doomed, this.mass];
  }

  get connection(): DriverConnection {
    return this.stage.connection;
  }

  private startWriters(seed: number): void {
    const { signal } = this.stopWriters;
    let next = 0;
    // Whoever connects anew tries another server first.
    const connect = () => {
      next += 1;
      return this.servers.connect(next);
    };
    const mixed = [this.steady, this.sharded, this.doomed];
    for (const [i, { documents, writers }] of mixedTables.entries()) {
      const slot = mixed[i]!;
      const keys = Math.floor(documents * 1.3);
      for (let writer = 10 * i; writer < 10 * i + writers; writer += 1) {
        this.writing.push(
          writeUntil(signal, connect, slot, 4, seed + writer, (open, version, random) =>
            writeMixed(slot.table, open, writer, keys, version, random),
          ),
        );
      }
    }
    const { mass } = this;
    this.writing.push(
      writeUntil(signal, connect, mass, 20, seed + 99, (open, _, random) =>
        writeRound(mass.table, open, Math.floor(random() * massDocuments)),
      ),
    );
  }

  async endWriters(): Promise<void> {
    this.stopWriters.abort();
    await Promise.all(this.writing);
    this.writing = [];
  }

  /** One update of all documents; resolves when it is answered. */
  async massUpdate(): Promise<void> {
    const { table, gate } = this.mass;
    await gate.alone(async () => {
      try {
        await writeRound(table, this.connection);
      } catch (error) {
        // A primary may have moved meanwhile.
        if (!(error instanceof Error) || this.servers.count === 1) throw error;
        table.refused += 1;
        await this.servers.ready();
      }
    });
  }

  /** Starts `thinkback run` and waits until it has claimed an epoch; an end that nobody asked for is a failure. */
  async startCapture(): Promise<void> {
    const more = ["--spool", this.stage.repo("spool"), "--source", this.servers.source];
    const env = this.clock?.env ?? {};
    const running = this.stage.captureIn(env, this.repo, "--include", `${db}.*`, ...more);
    this.running = running;
    void running.finished.then(({ status: code, stderr }) => {
      this.logs.push(stderr);
      const defect = stderr.split("\n").find((line) => line.includes("a defect has stopped"));
      if (defect !== undefined) this.failures.push(defect);
      if (this.ending === running) return;
      this.failures.push(`capture ended by itself with ${code}: ${stderr.slice(-1500)}`);
      this.running = undefined;
    });
    await until("a table is watched", () => !this.running || /"state":/.test(running.stderr()));
  }

  async endCapture(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    const { running } = this;
    if (!running) return;
    this.ending = running;
    this.running = undefined;
    running.process.kill(signal);
    const { status: code, stderr } = await running.finished;
    if (signal === "SIGTERM" && code !== 0) {
      this.failures.push(`capture ended with ${code} after SIGTERM: ${stderr.slice(-1500)}`);
    }
  }

  async keepCapture(): Promise<void> {
    if (!this.running) await this.startCapture();
    if (this.hasLanes && !this.second) this.startSecond();
  }

  /** Starts a process that takes its share of the lanes. */
  private startSecond(): void {
    const more = ["--include", `${db}.*`, "--source", this.servers.source];
    const second = this.stage.captureIn(this.clock?.env ?? {}, this.repo, ...more);
    this.second = second;
    void second.finished.then(({ status: code, stderr }) => {
      this.logs.push(stderr);
      if (this.second === second) this.second = undefined;
      if (this.endingSecond === second) return;
      this.failures.push(`the second capture ended by itself with ${code}: ${stderr.slice(-1500)}`);
    });
  }

  async endSecond(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    const { second } = this;
    if (!second) return;
    this.endingSecond = second;
    this.second = undefined;
    second.process.kill(signal);
    const { status: code, stderr } = await second.finished;
    if (signal === "SIGTERM" && code !== 0)
      this.failures.push(`the second capture ended with ${code}: ${stderr.slice(-1500)}`);
  }

  async pauseSecond(ms: number): Promise<void> {
    const { second } = this;
    second?.process.kill("SIGSTOP");
    await pause(ms);
    second?.process.kill("SIGCONT");
  }

  async setLanes(lanes: number): Promise<void> {
    await this.command("lanes", "set", String(lanes));
  }

  /** The server that the capture said last it is connected to. */
  captureServer(): Member {
    const said = [
      ...(this.running?.stderr() ?? "").matchAll(/"server":"rethinkdb:..[^"]*@([^"]+)"/g),
    ];
    const where = said.at(-1)?.[1];
    const { all } = this.servers;
    return all.find(({ host, port }) => `${host}:${port}` === where) ?? all[0]!;
  }

  /** The capture stands still while `meanwhile` goes on, and for `ms` at least. */
  async pauseCapture(ms: number, meanwhile: () => Promise<void> = async () => undefined) {
    this.running?.process.kill("SIGSTOP");
    await Promise.all([pause(ms), meanwhile()]);
    this.running?.process.kill("SIGCONT");
  }

  /** The clock of the capture's process is wrong for a while. */
  async setClock(offset: string, ms: number): Promise<void> {
    this.clock?.set(offset);
    await pause(ms);
    this.clock?.set("+0");
  }

  /** A start by a clock that is a day ahead must be refused. */
  async startByWrongClock(): Promise<void> {
    await this.endCapture("SIGTERM");
    await this.endSecond("SIGTERM");
    this.clock!.set("+1d");
    const source = ["--source", this.servers.source];
    const refused = this.stage.captureIn(this.clock!.env, this.repo, ...source);
    const { status: code, stderr } = await refused.finished;
    this.clock!.set("+0");
    if (code === exitClock) return;
    this.failures.push(`a start by a wrong clock ended with ${code}: ${stderr.slice(-1500)}`);
  }

  /** Kills a server, which comes back after `downMs`. */
  async crashServer(member: Member, downMs: number): Promise<void> {
    const mayLose = await this.onFewServers();
    const crashed = Date.now();
    await this.servers.kill(member, downMs);
    for (const { book } of mayLose) book.noteCrash(crashed, unflushedMs);
  }

  /** The tables of which a shard has fewer than three replicas: with one server a write may be lost. */
  private async onFewServers(): Promise<TortureTable[]> {
    const few = r
      .db("rethinkdb")
      .table("table_config")
      .filter((row: Term) =>
        row("shards").contains((shard: Term) => shard("replicas").count().lt(3)),
      );
    const ids = (await this.servers.ask(few("id").coerceTo("array"))) as string[];
    return this.tables.filter(({ id }) => ids.includes(id));
  }

  async storageOutage(ms: number, killCapture: boolean): Promise<void> {
    await rename(this.repo, `${this.repo}.away`);
    await pause(ms);
    if (killCapture) await this.endCapture("SIGKILL");
    await rename(`${this.repo}.away`, this.repo);
    await this.keepCapture();
  }

  async reshard(shards: number): Promise<void> {
    const { term } = this.sharded.table;
    await this.servers.ask(term.reconfigure({ shards, replicas: this.servers.count }));
    await this.servers.ready();
  }

  async reshardAndRebalance(): Promise<void> {
    await this.reshard(2);
    await this.servers.ask(this.sharded.table.term.rebalance());
    await this.servers.ready();
    await this.reshard(1);
  }

  /** All tables get a replica on every server; but one, which stays where it is. */
  async spread(): Promise<void> {
    for (const { table } of [this.steady, this.sharded, this.mass]) {
      const replicas = this.servers.count;
      await this.servers.ask(table.term.reconfigure({ shards: 1, replicas }));
      table.isSpread = true;
    }
    await this.servers.ready();
  }

  async renameTable(name: string): Promise<void> {
    const { table, gate } = this.doomed;
    await gate.alone(async () => {
      const from = Date.now();
      await this.servers.ask(table.term.config().update({ name }));
      table.names.push({ name, since: Date.now() });
      await this.untilSettled(table, from);
    });
  }

  async dropAndRecreate(): Promise<void> {
    const { doomed } = this;
    await doomed.gate.alone(async () => {
      const old = doomed.table;
      old.died = Date.now() - 1;
      await r.db(db).tableDrop(old.name).run(this.connection);
      const from = Date.now();
      doomed.table = await TortureTable.make(this.connection, old.name, new Ledger());
      this.tables.push(doomed.table);
      await loadMixed(doomed.table, this.connection, 20, mixedTables[2]!.documents);
      await this.untilSettled(doomed.table, from);
    });
  }

  async redefineIndex(version: number): Promise<void> {
    const { term } = this.steady.table;
    const names = (await this.servers.ask(term.indexList())) as string[];
    if (names.includes("by")) await this.servers.ask(term.indexDrop("by"));
    const field = ["amount", "customer", "version"][version % 3];
    const by = (row: Term) => row(field);
    await this.servers.ask(term.indexCreate("by", by));
    await this.servers.ask(term.indexWait());
  }

  /** Waits until the repository knows the table by its name; between `from` and then its name cannot be told. */
  private async untilSettled(table: TortureTable, from: number): Promise<void> {
    await this.keepCapture();
    const limitMs = 60_000;
    await until(
      `the capture knows ${table.name}`,
      async () => {
        const known = (await this.status()).tables.find(({ id }) => id === table.id);
        return known?.name === `${db}.${table.name}`;
      },
      limitMs,
    );
    table.unsettled.push({ from: from - 1, to: Date.now() + 1 });
  }

  /** Reads the source itself: what it acknowledged and lacks, no capture of it can have. Only of several servers. */
  async audit(): Promise<void> {
    if (this.servers.count === 1) return;
    for (const { table } of this.slots) {
      const from = Date.now();
      const read = readTable(this.connection, db, table.name, { readMode: "majority" });
      const state = await read.catch(() => undefined);
      // It may not be served at this moment.
      if (!state) continue;
      const to = Date.now();
      const { wrong } = table.book.judge(state, to, to - from);
      for (const { key, found, allowed } of wrong) {
        table.book.noteLost(key, table.audited, to);
        const written = allowed.map((one) => one?.slice(-60)).join(" or ");
        this.lost.push(
          `${table.name} ${key} is ${found?.slice(-60)} and not ${written}, ` +
            `between ${new Date(table.audited).toISOString()} and ${new Date(to).toISOString()}`,
        );
      }
      table.audited = from;
    }
  }

  status(): Promise<StatusResult> {
    return status(this.repo);
  }

  /** Runs a command; its failure is noted. */
  async command(...args: string[]): Promise<string | undefined> {
    const { status: code, stdout, stderr } = await cli([...args, "--repo", this.repo, "--json"]);
    if (code === 0) return stdout;
    this.failures.push(`${args.join(" ")} ended with ${code}: ${stderr.slice(-1500)}`);
    return undefined;
  }

  /** @param keep the repository and the captures' logs are kept, for whoever looks into it */
  async close(keep: boolean): Promise<void> {
    await this.endCapture("SIGKILL");
    await this.endSecond("SIGKILL");
    if (keep) {
      const kept = join(tmpdir(), `thinkback-torture-${this.began}`);
      await rename(this.repo, kept);
      for (const [at, log] of this.logs.entries()) await writeFile(`${kept}.${at}.log`, log);
      await writeFile(`${kept}.events`, this.events.text());
      console.log(`the repository is kept in ${kept}, the logs of its captures beside it`);
    }
    await this.stage.close();
  }
}

/** Where there is one server, it is any that a test may use; several are real ones. */
async function stageOf(servers: number): Promise<{ stage: Stage; members: Member[] }> {
  if (servers === 1) {
    const stage = await Stage.open({ faults: true });
    return { stage, members: [{ ...stage.server, name: "the server" }] };
  }
  const members = await makeMembers(servers);
  const { all, whyNotCut } = members;
  const close = () => members.close();
  if (whyNotCut !== undefined) console.log(`NO SERVER IS CUT OFF FROM OTHERS: ${whyNotCut}`);
  const [first] = all;
  try {
    await first!.restart();
    const stage = await Stage.open({ given: first! });
    stage.onClose(close);
    return { stage, members: all };
  } catch (error) {
    await close();
    throw error;
  }
}
