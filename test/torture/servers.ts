/** The servers of the cluster under torture, and what is done to them. */
import { connectTo, reconnect, restartServer, type Stage, until } from "../endtoend/stage.js";
import { type DriverConnection, r, type Term } from "../server/driver.js";
import type { Events } from "./events.js";
import type { Member } from "./members.js";
import { db, pause } from "./table.js";

/** What is tried again while a cluster finds itself: nothing of it has been done when this is said. */
const passing =
  /not available|lost contact|primary replica|majority|cannot be reached|timed out|closed/i;

export class Servers {
  private joined = 1;
  /** What servers said last that ended though nobody ended them. */
  readonly crashes: string[] = [];
  /** Told when a server has ended so. */
  onCrash: (at: number) => void = () => undefined;

  /** @param members all that will be there; the first of them is the stage's, and runs */
  constructor(
    private readonly stage: Stage,
    private readonly members: readonly Member[],
    private readonly events: Events,
  ) {}

  /** Those that have joined. */
  get all(): readonly Member[] {
    return this.members.slice(0, this.joined);
  }

  get count(): number {
    return this.joined;
  }

  /** All of them, as a capture is told where its source is. */
  get source(): string {
    return `rethinkdb://${this.members.map(({ host, port }) => `${host}:${port}`).join(",")}`;
  }

  get canBeCut(): boolean {
    return this.members.every(({ network }) => network !== undefined);
  }

  /** The next one starts. */
  async join(): Promise<void> {
    const member = this.members[this.joined]!;
    await member.restart();
    this.joined += 1;
    await until("the server has joined", async () => {
      const connected = await system("server_status").count().run(this.stage.connection);
      return connected === this.count;
    });
  }

  /** To the server at `at`, or the next one that answers. */
  async connect(at: number): Promise<DriverConnection> {
    for (let tried = 0; ; tried += 1) {
      try {
        return await connectTo(this.all[(at + tried) % this.count]!);
      } catch (error) {
        if (tried >= this.count - 1 || !(error instanceof Error)) throw error;
      }
    }
  }

  /** The one that is primary of the table's first shard now. */
  async primaryOf(table: Term): Promise<Member> {
    const shard = table.status()("shards")(0);
    const [name] = (await this.ask(shard("primary_replicas"))) as string[];
    return this.all.find((member) => member.name === name) ?? this.all[0]!;
  }

  async kill(member: Member, downMs: number): Promise<void> {
    this.events.note(`${member.name} is killed`);
    if (this.members.length === 1) {
      await this.stage.crashServer();
    } else {
      await member.kill("SIGKILL");
      await pause(downMs);
      await this.start(member);
    }
    await this.ready();
  }

  async freeze(member: Member, ms: number): Promise<void> {
    this.events.note(`${member.name} stands still`);
    if (this.members.length === 1) await this.stage.pauseServer();
    else await member.kill("SIGSTOP");
    await pause(ms);
    if (this.members.length === 1) await this.stage.resumeServer();
    else await member.kill("SIGCONT");
    this.events.note(`${member.name} goes on`);
    await this.ready();
  }

  /** Cuts a server off from all others; clients still reach it. */
  async cut(member: Member, ms: number): Promise<void> {
    this.events.note(`${member.name} is cut off`);
    await member.network!.cut();
    await pause(ms);
    await member.network!.heal();
    this.events.note(`${member.name} is back`);
    await this.ready();
  }

  /** Cuts the way between two servers; the third reaches both. */
  async cutBetween(one: Member, other: Member, ms: number): Promise<void> {
    this.events.note(`${one.name} and ${other.name} do not reach each other`);
    await one.network!.cutFrom(other.network!);
    await pause(ms);
    await one.network!.healTo(other.network!);
    this.events.note(`${one.name} and ${other.name} reach each other`);
    await this.ready();
  }

  /** One after another is ended by SIGTERM and started, each when the tables of the one before are ready. */
  async restartAll(): Promise<void> {
    for (const member of this.all) {
      this.events.note(`${member.name} is restarted`);
      await member.kill("SIGTERM");
      await this.start(member);
      await this.ready();
    }
  }

  /** Puts a table's one shard on these servers; the first of them is its primary. */
  async place(table: Term, on: readonly Member[]): Promise<void> {
    const replicas = on.map(({ name }) => name);
    const shard = { primary_replica: replicas[0], replicas, nonvoting_replicas: [] };
    await this.ask(table.config().update({ shards: [shard] }));
    await this.ready();
  }

  /** A query of administration, asked again while the cluster finds itself. */
  async ask(term: Term): Promise<unknown> {
    for (let again = 0; ; again += 1) {
      try {
        return await term.run(this.stage.connection);
      } catch (error) {
        if (again === 30 || !(error instanceof Error) || !passing.test(error.message)) throw error;
        await pause(1000);
        if (/closed/.test(error.message)) await this.ready();
      }
    }
  }

  /** Resolves when every replica of every table is there. */
  async ready(): Promise<void> {
    const waitFor = this.count > 1 ? "all_replicas_ready" : "ready_for_writes";
    const isReady = async () => {
      try {
        await this.revive();
        await r.db(db).wait({ timeout: 20, waitFor }).run(this.stage.connection);
        return true;
      } catch (error) {
        if (!(error instanceof Error)) throw error;
        if (/closed/.test(error.message)) await this.connectAgain().catch(() => undefined);
        return false;
      }
    };
    const limitMs = 180_000;
    await until("the tables are ready", isReady, limitMs);
    this.events.note("the tables are ready");
  }

  /** Starts servers again that have ended though nobody ended them. */
  private async revive(): Promise<void> {
    for (const member of this.all) {
      const crash = member.network?.crash();
      if (!crash) continue;
      this.events.note(`${member.name} has ended by itself`);
      this.crashes.push(`${member.name} at ${new Date(crash.at).toISOString()}:\n${crash.output}`);
      this.onCrash(crash.at);
      await this.start(member);
    }
  }

  private async start(member: Member): Promise<void> {
    await restartServer(member);
    this.events.note(`${member.name} runs again`);
    if (member.name === this.members[0]!.name) await this.connectAgain();
  }

  private async connectAgain(): Promise<void> {
    if (this.members.length === 1) this.stage.connection = await reconnect(this.stage.server);
    else this.stage.connection = await connectTo(this.stage.server);
  }
}

function system(table: string): Term {
  return r.db("rethinkdb").table(table);
}
