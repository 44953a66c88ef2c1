/** What is done to the cluster and to the capture. An action leaves the servers running. */
import { pause } from "./table.js";
import type { World } from "./world.js";

type Random = () => number;

export interface Action {
  name: string;
  act(world: World, random: Random): Promise<void>;
}

let names = 0;

/** Between 1 and 60 s, short ones more often. */
const standstillMs = (random: Random) => 1000 * 60 ** random();
/** Past the heartbeat of 15 s now and then. */
const serverStandstillMs = (random: Random) => 1000 * 20 ** random();

const onCapture: Action[] = [
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
];

const onTables: Action[] = [
  { name: "update of all documents", act: (world) => world.massUpdate() },
  { name: "update of all documents, again", act: (world) => world.massUpdate() },
  {
    name: "update of all documents while the capture stands still",
    act: (world, random) =>
      world.pauseCapture(1000 + 5000 * random(), async () => {
        await pause(1000 * random());
        await world.massUpdate();
      }),
  },
  {
    name: "update of all documents, and kill -9 of the capture",
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
const onClock: Action[] = [
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
];

/** Only on three servers. */
const onTopology: Action[] = [
  { name: "primary and replicas moved", act: (world, random) => move(world, random, 0.7) },
  { name: "replicas added", act: (world, random) => move(world, random, 1) },
  {
    name: "update of all documents, and kill -9 of a server",
    act: async (world, random) => {
      await world.massUpdate();
      await world.crashServer(some(world, random), 20_000 * random());
    },
  },
];

/** @param servers how many there are, or will be */
export function actionsFor(world: World, servers: number): Action[] {
  const always = [...onCapture, ...onTables, ...onServers, ...(world.clock ? onClock : [])];
  return servers > 1 ? [...always, ...onTopology] : always;
}

/** One table comes to three servers, or now and then to one of them, with any of them as primary. */
async function move(world: World, random: Random, share: number): Promise<void> {
  const servers = shuffled([...(await world.servers.names()).values()], random);
  const names = random() < share ? servers : servers.slice(0, 1);
  await world.servers.place(one(world.slots, random).table.term, names);
}

function some(world: World, random: Random): number {
  return Math.floor(random() * world.servers.count);
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
