/** The cluster under torture, its writers, and the capture that must keep up with what is done to both. */
import { rename } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cli, type Running, type StatusResult, status } from "../endtoend/cli.js";
import { Stage, until } from "../endtoend/stage.js";
import { type DriverConnection, r, type Term } from "../server/driver.js";
import { db, Gate, pause, type Slot, TortureTable, writeUntil } from "./table.js";

/** Soft writes are flushed after about a second; a busy disk may take longer. */
const unflushedMs = 10_000;

export class World {
  readonly tables: TortureTable[] = [];
  readonly slots: Slot[] = [];
  /** Stretches in which nothing could be delivered, though nothing was lost. */
  readonly stalls: { from: number; to: number }[] = [];
  /** What must not be: a capture that ended by itself, a command that failed. */
  readonly failures: string[] = [];
  readonly began: number = Date.now();
  readonly repo: string;
  private readonly stopWriters = new AbortController();
  private writing: Promise<void>[] = [];
  private running: Running | undefined;
  private ending: Running | undefined;

  private constructor(readonly stage: Stage) {
    this.repo = stage.repo("repository");
  }

  static async make(): Promise<World> {
    const world = new World(await Stage.open({ faults: true }));
    const { connection } = world.stage;
    await r.dbCreate(db).run(connection);
    const plan = [
      { name: "steady", documents: 2000, writers: 2 },
      { name: "sharded", documents: 2000, writers: 1 },
      { name: "doomed", documents: 400, writers: 1 },
    ];
    for (const [i, { name, documents, writers }] of plan.entries()) {
      const table = await TortureTable.make(connection, name);
      world.tables.push(table);
      const slot: Slot = { table, gate: new Gate(), documents };
      world.slots.push(slot);
      for (let writer = 10 * i; writer < 10 * i + writers; writer += 1) {
        await table.load(connection, writer, documents);
        const connect = () => world.connect();
        world.writing.push(writeUntil(world.stopWriters.signal, connect, slot, writer, 4));
      }
    }
    await world.startCapture();
    return world;
  }

  get connection(): DriverConnection {
    return this.stage.connection;
  }

  async endWriters(): Promise<void> {
    this.stopWriters.abort();
    await Promise.all(this.writing);
    this.writing = [];
  }

  /** Starts `thinkback run` and waits until it has claimed an epoch; an end that nobody asked for is a failure. */
  async startCapture(): Promise<void> {
    const spool = ["--spool", this.stage.repo("spool")];
    const running = this.stage.capture(this.repo, "--include", `${db}.*`, ...spool);
    this.running = running;
    void running.finished.then(({ status: code, stderr }) => {
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
  }

  async pauseCapture(ms: number): Promise<void> {
    const from = Date.now();
    this.running?.process.kill("SIGSTOP");
    await pause(ms);
    this.running?.process.kill("SIGCONT");
    this.stalls.push({ from, to: Date.now() });
  }

  async crashServer(): Promise<void> {
    const crashed = Date.now();
    await this.stage.crashServer();
    for (const table of this.tables) table.ledger.noteCrash(crashed, unflushedMs);
    await this.ready();
  }

  async pauseServer(ms: number): Promise<void> {
    const from = Date.now();
    await this.stage.pauseServer();
    await pause(ms);
    await this.stage.resumeServer();
    this.stalls.push({ from, to: Date.now() });
  }

  async storageOutage(ms: number, killCapture: boolean): Promise<void> {
    await rename(this.repo, `${this.repo}.away`);
    await pause(ms);
    if (killCapture) await this.endCapture("SIGKILL");
    await rename(`${this.repo}.away`, this.repo);
    await this.keepCapture();
  }

  async reshard(shards: number): Promise<void> {
    await this.slots[1]!.table.term.reconfigure({ shards, replicas: 1 }).run(this.connection);
    await this.ready();
  }

  async renameTable(name: string): Promise<void> {
    const { table, gate } = this.slots[2]!;
    await gate.alone(async () => {
      const from = Date.now();
      await table.term.config().update({ name }).run(this.connection);
      table.names.push({ name, since: Date.now() });
      await this.untilSettled(table, from);
    });
  }

  async dropAndRecreate(): Promise<void> {
    const slot = this.slots[2]!;
    await slot.gate.alone(async () => {
      const old = slot.table;
      old.died = Date.now() - 1;
      await r.db(db).tableDrop(old.name).run(this.connection);
      const from = Date.now();
      slot.table = await TortureTable.make(this.connection, old.name);
      this.tables.push(slot.table);
      await slot.table.load(this.connection, 20, slot.documents);
      await this.untilSettled(slot.table, from);
    });
  }

  async redefineIndex(version: number): Promise<void> {
    const { term } = this.slots[0]!.table;
    const names = (await term.indexList().run(this.connection)) as string[];
    if (names.includes("by")) await term.indexDrop("by").run(this.connection);
    const field = ["amount", "customer", "version"][version % 3];
    const by = (row: Term) => row(field);
    await term.indexCreate("by", by).run(this.connection);
    await term.indexWait().run(this.connection);
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

  /** @param keep the repository is kept, for whoever looks into it */
  async close(keep: boolean): Promise<void> {
    await this.endCapture("SIGKILL");
    if (keep) {
      const kept = join(tmpdir(), `thinkback-torture-${this.began}`);
      await rename(this.repo, kept);
      console.log(`the repository is kept in ${kept}`);
    }
    await this.stage.close();
  }

  private async ready(): Promise<void> {
    await until("the tables are ready", async () => {
      try {
        await r.db(db).wait({ timeout: 20 }).run(this.connection);
        return true;
      } catch (error) {
        if (error instanceof Error) return false;
        throw error;
      }
    });
  }

  private async connect(): Promise<DriverConnection> {
    const connection = await r.connect(this.stage.server);
    connection.on("error", () => undefined);
    return connection;
  }
}
