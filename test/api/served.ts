/** A server of the API on a repository in a directory, whose commands run in this process. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ApiServer, makeServer } from "../../src/api/server.js";
import { errorIn } from "../../src/cli/child-command.js";
import { runCommandLine } from "../../src/cli/program.js";
import { type Clock, systemClock } from "../../src/clock.js";
import type { PrintedCommands } from "../../src/commands.js";
import { localWaker, type Waker } from "../../src/coordination/wake.js";
import { Facts } from "../../src/health/facts.js";
import { putDrill } from "../../src/repository/records/drills.js";
import { createToken, type Role, roles } from "../../src/repository/registers/tokens.js";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import type { ObjectStore } from "../../src/storage/object-store.js";
import { makeRepository, Recording, StillClock } from "../repository/recording.js";

export const table = "0a000000-0000-4000-8000-000000000001";
/** Stands in every key and every document. */
export const planted = "planted-marker";

export interface Served extends ApiServer {
  store: ObjectStore;
  facts: Facts;
  waker: Waker;
  clock: { nowMs: number | undefined };
  tokens: Record<Role, string>;
  defects: unknown[];
  /** The commands that were run. */
  ran: string[][];
  /** Instants of the repository: before the documents changed, and its end. */
  before: string;
  cut: string;
  ending: AbortController;
  close(): Promise<void>;
}

/** PrintedCommands in this process, whose results and errors pass through text as those of another process do. */
export function commandsHere(repo: string, ran: string[][] = []): PrintedCommands {
  const print: PrintedCommands["print"] = async (args, { environment = {} }) => {
    ran.push([...args]);
    const written = { stdout: "", stderr: "" };
    const stream = (name: keyof typeof written) => ({
      write: (text: string | Uint8Array) => (written[name] += Buffer.from(text).toString()),
    });
    const end = args.includes("--") ? args.indexOf("--") : args.length;
    const whole = args.toSpliced(end, 0, "--repo", repo, "--json");
    const streams = { stdout: stream("stdout"), stderr: stream("stderr") };
    const status = await runCommandLine(whole, streams, { environment, directory: repo });
    if (status !== 0) throw errorIn(written.stderr, `it ended with ${status}`);
    return Buffer.from(written.stdout);
  };
  return {
    print,
    run: async (args, options) => JSON.parse((await print(args, options)).toString()) as object,
  };
}

export async function serveRecorded(
  given: {
    store?: (store: ObjectStore) => ObjectStore;
    commands?: PrintedCommands;
    hosts?: string[];
    clock?: Clock;
    requestMsMax?: number;
    record?: typeof record;
    live?: Record<string, string>;
  } = {},
): Promise<Served> {
  const directory = await mkdtemp(join(tmpdir(), "thinkback-api-"));
  const repo = join(directory, "repository");
  const { before, cut } = await (given.record ?? record)(repo);
  const real = new DirectoryStore(repo);
  const tokens = {} as Record<Role, string>;
  for (const role of roles) {
    const request = { name: `the-${role}`, role, expiresAt: undefined };
    tokens[role] = (await createToken(real, request, Date.now())).text;
  }
  const [ran, defects]: [string[][], unknown[]] = [[], []];
  const moved: { nowMs: number | undefined } = { nowMs: undefined };
  const clock: Clock = { ...(given.clock ?? systemClock), now: () => moved.nowMs ?? Date.now() };
  const [facts, waker, ending] = [new Facts(clock), localWaker(), new AbortController()];
  const server = makeServer({
    store: given.store?.(real) ?? real,
    commands: given.commands ?? commandsHere(repo, ran),
    clock,
    facts,
    waker,
    live: given.live,
    hosts: given.hosts ?? [],
    work: { version: "0.0.0", repository: "a place", targets: null },
    ...(given.requestMsMax === undefined ? {} : { requestMsMax: given.requestMsMax }),
    metrics: () => Promise.resolve({ contentType: "text/plain", text: "thinkback_up 1\n" }),
    onDefect: (error) => void defects.push(error),
    ending: ending.signal,
  });
  return {
    app: server.app,
    end: () => server.end(),
    store: real,
    facts,
    waker,
    clock: moved,
    tokens,
    defects,
    ran,
    before,
    cut,
    ending,
    close: async () => {
      ending.abort(new Error("the test ends"));
      await server.end();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function record(repo: string): Promise<{ before: string; cut: string }> {
  const repository = await makeRepository(new DirectoryStore(repo));
  const recording = await Recording.begin(repository, new StillClock(Date.now() - 60_000));
  recording.catalogRead();
  recording.catalog(["db", "d1"], { id: "d1", name: "shop" });
  const shards = [{ primary_replica: "one", replicas: ["one"], nonvoting_replicas: [] }];
  const settings = { durability: "hard", write_acks: "majority", indexes: ["by"] };
  const hook = { function: {}, query: `function() { return "${planted}-8"; }` };
  const by = { index: "by", function: {}, multi: false, geo: false, outdated: false };
  const config = {
    id: table,
    db: "shop",
    name: "orders",
    primary_key: "id",
    shards,
    write_hook: hook,
    ...settings,
  };
  recording.catalog(["table", table], config);
  const indexes = [{ ...by, query: `indexCreate("by", "${planted}-9")` }];
  recording.catalog(["indexes", table], { indexes });
  const since = recording.log.stamp().time;
  recording.coverage("catalog", { state: "live", since });
  recording.coverage(table, { state: "copying", since });
  const document = (n: number) => ({ id: `${planted}-1`, text: `${planted}-2`, n });
  const base = await recording.copy(table, [[`${planted}-1`, document(1)]]);
  const before = await recording.tick(50);
  await base.finish(before, since - 1);
  recording.coverage(table, { state: "live", since: before });
  recording.put(table, `${planted}-1`, document(-0));
  const cut = await recording.tick(50);
  recording.coverage(table, { state: "gap", since: cut, reason: `refused {"id":"${planted}-3"}` });
  const end = await recording.tick(50, { closed: true });
  const keys = { count: 1, keys: [`"${planted}-4"`] };
  const none = { count: 0, keys: [] };
  await putDrill(repository.store, {
    unique: "0123456789ab",
    begun: end,
    ended: end + 1,
    instant: before,
    class: "exact",
    ok: false,
    failure: { code: "target", message: `refused {"id":"${planted}-5"}` },
    server: null,
    documents: 1,
    bytes: 1,
    seconds: 1,
    documentsPerSecond: 1,
    bytesPerSecond: 1,
    tables: [
      {
        id: table,
        name: "shop.orders",
        ok: false,
        rows: 1,
        bytes: 1,
        digest: "0".repeat(16),
        seconds: 1,
        differences: { missing: keys, altered: none, extra: none, settings: [] },
      },
    ],
  });
  return { before: new Date(before).toISOString(), cut: new Date(cut).toISOString() };
}
