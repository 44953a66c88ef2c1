/** What is done to the cluster and to the capture. An action leaves the servers running. */
import type { Member } from "./members.js";
import { pause, type TortureTable } from "./table.js";
import type { World } from "./world.js";

type Random = () => number;

export interface Action {
  name: string;
  /** The capture need not keep up while it lasts. */
  excused?: true;
  act(world: World, random: Random): Promise<void>;
}

let names = 0;

/** Between 1 and 60 s, short ones more often. */
const standstillMs = (random: Random) => 1000 * 60 ** random();
/** Past the heartbeat of 15 s now and then. */
const serverStandstillMs = (random: Random) => 1000 * 20 ** random();

const onCapture: Action[] = excused([
  {
    name: "kill -9 of the capture",
    act: async (world, random) => {
      await world.endCapture("SIGKILL");
      await pause(3000 * random());
    },
  },
  { name: "SIGTERM of the capture", act: (world) => world.endCapture("SIGTERM") },
  {
    name: "kill -9 of the capture as it starts",
    act: async (world, random) => {
      await world.endCapture("SIGKILL");
      await world.startCapture();
      await pause(600 * random());
      await world.endCapture("SIGKILL");
    },
  },
  {
    name: "SIGSTOP of the capture",
    act: (world, random) => world.pauseCapture(standstillMs(random)),
  },
  {
    name: "storage outage",
    act: (world, random) => world.storageOutage(500 + 4000 * random(), random() < 0.3),
  },
  {
    name: "fold",
    act: async (world) => {
      await world.command("fold");
    },
  },
]);

const onTables: Action[] = [
  { name: "update of all documents", act: (world) => world.massUpdate() },
  { name: "update of all documents, again", act: (world) => world.massUpdate() },
  {
    name: "update of all documents while the capture stands still",
    excused: true,
    act: (world, random) =>
      world.pauseCapture(1000 + 5000 * random(), async () => {
        await pause(1000 * random());
        await world.massUpdate();
      }),
  },
  {
    name: "update of all documents, and kill -9 of the capture",
    excused: true,
    act: async (world, random) => {
      await world.massUpdate();
      await pause(2000 * random());
      await world.endCapture("SIGKILL");
    },
  },
  { name: "reshard", act: (world, random) => world.reshard(random() < 0.5 ? 2 : 1) },
  { name: "drop and recreate a table", act: (world) => world.dropAndRecreate() },
  {
    name: "rename a table",
    act: (world) => {
      names += 1;
      return world.renameTable(`doomed_${names}`);
    },
  },
  {
    name: "redefine an index",
    act: (world) => {
      names += 1;
      return world.redefineIndex(names);
    },
  },
];

const onServers: Action[] = [
  {
    name: "kill -9 of a server",
    act: (world, random) => world.crashServer(some(world, random), 20_000 * random()),
  },
  {
    name: "SIGSTOP of a server",
    act: (world, random) => world.servers.freeze(some(world, random), serverStandstillMs(random)),
  },
];

/** Only with libfaketime. */
const onClock: Action[] = excused([
  {
    name: "the capture's clock set wrong, and right again",
    act: (world, random) =>
      world.setClock(one(["+1d", "-1h", "+90", "-90", "+5", "-3650d"], random), 4000 * random()),
  },
  {
    name: "the capture's clock set while it stands still",
    act: async (world, random) => {
      await world.pauseCapture(500 + 3000 * random(), async () => world.clock?.set("+1h"));
      await world.setClock("+1h", 2500 * random());
    },
  },
  { name: "start by a clock a day ahead", act: (world) => world.startByWrongClock() },
]);

/** Only with several lanes, and a second process. */
const onLanes: Action[] = excused([
  ...[1, 2, 3, 4].map((lanes) => ({
    name: `tables in ${lanes} lanes`,
    act: async (world: World, random: Random) => {
      await world.setLanes(lanes);
      await pause(20_000 * random());
    },
  })),
  {
    name: "kill -9 of the second capture",
    act: async (world, random) => {
      await world.endSecond("SIGKILL");
      await pause(20_000 * random());
    },
  },
  { name: "SIGTERM of the second capture", act: (world) => world.endSecond("SIGTERM") },
  {
    name: "SIGSTOP of the second capture",
    act: (world, random) => world.pauseSecond(standstillMs(random)),
  },
  {
    name: "both captures are gone for a while",
    act: async (world, random) => {
      await Promise.all([world.endCapture("SIGKILL"), world.endSecond("SIGKILL")]);
      await pause(5000 * random());
    },
  },
]);

/** Past the election that follows, and now and then past what a fail-over may take. */
const cutMs = (random: Random) => 30_000 + 30_000 * random();
/** Past every timeout there is, of the servers and of the capture. */
const longStandstillMs = 25_000;

/** Only on several servers. */
const onCluster: Action[] = [
  { name: "primary and replicas moved", act: (world, random) => move(world, random, 0.5) },
  { name: "another primary", act: (world, random) => move(world, random, 1) },
  {
    name: "update of all documents, and kill -9 of a server",
    act: async (world, random) => {
      await world.massUpdate();
      await world.crashServer(some(world, random), 20_000 * random());
    },
  },
  {
    name: "kill -9 of a primary",
    act: async (world, random) =>
      world.crashServer(await somePrimary(world, random), 20_000 * random()),
  },
  {
    name: "kill -9 of the capture's server",
    act: (world, random) => world.crashServer(world.captureServer(), 20_000 * random()),
  },
  {
    name: "SIGSTOP of a primary for 25 s",
    act: async (world, random) =>
      world.servers.freeze(await somePrimary(world, random), longStandstillMs),
  },
  {
    name: "SIGSTOP of the capture's server for 25 s",
    act: (world) => world.servers.freeze(world.captureServer(), longStandstillMs),
  },
  { name: "rolling restart", act: (world) => world.servers.restartAll() },
  { name: "2 shards, rebalance, 1 shard", act: (world) => world.reshardAndRebalance() },
];

/** Only where the way between servers can be cut. */
const onNetwork: Action[] = [
  {
    name: "a primary is cut off",
    act: async (world, random) =>
      world.servers.cut(await somePrimary(world, random), cutMs(random)),
  },
  {
    name: "the capture's server is cut off",
    act: (world, random) => world.servers.cut(world.captureServer(), cutMs(random)),
  },
  {
    name: "a primary and another server do not reach each other",
    act: async (world, random) => {
      const primary = await somePrimary(world, random);
      const others = world.servers.all.filter((member) => member !== primary);
      await world.servers.cutBetween(primary, one(others, random), cutMs(random));
    },
  },
];

/** How a cluster comes to be under open feeds. */
export function beginnings(servers: number): Action[] {
  const join: Action = { name: "a server joins", act: (world) => world.servers.join() };
  const spread: Action = { name: "replicas on all servers", act: (world) => world.spread() };
  return servers > 1 ? [...Array.from({ length: servers - 1 }, () => join), spread] : [];
}

/**
 * @param servers how many there are, or will be
 * @param options `serversOnly`: nothing is done to the capture, its clock or its store
 */
export function actionsFor(
  world: World,
  servers: number,
  { serversOnly, hasLanes }: { serversOnly: boolean; hasLanes: boolean },
): Action[] {
  const onAll = [...onTables, ...onServers, ...(hasLanes ? onLanes : [])];
  const onOne = serversOnly ? [] : [...onCapture, ...(world.clock ? onClock : [])];
  const onSeveral = [...onCluster, ...(world.servers.canBeCut ? onNetwork : [])];
  const actions = [...onOne, ...onAll, ...(servers > 1 ? onSeveral : [])];
  return serversOnly ? actions.filter((action) => !action.excused) : actions;
}

function excused(actions: Action[]): Action[] {
  return actions.map((action) => ({ ...action, excused: true }));
}

/** One table gets another primary; or now and then it is on one server only for a while. */
async function move(world: World, random: Random, share: number): Promise<void> {
  const { term } = one(world.slots, random).table;
  const servers = shuffled(world.servers.all, random);
  if (random() >= share) {
    await world.servers.place(term, servers.slice(0, 1));
    await pause(5000 * random());
  }
  await world.servers.place(term, shuffled(servers, random));
}

function some(world: World, random: Random): Member {
  return one(world.servers.all, random);
}

/** That of any table. */
function somePrimary(world: World, random: Random): Promise<Member> {
  const table: TortureTable = one(world.slots, random).table;
  return world.servers.primaryOf(table.term);
}

function one<T>(of: readonly T[], random: Random): T {
  return of[Math.floor(random() * of.length)]!;
}

/** In another order. */
export function shuffled<T>(of: readonly T[], random: Random): T[] {
  return of
    .map((value) => ({ value, place: random() }))
    .sort((a, b) => a.place - b.place)
    .map(({ value }) => value);
}
