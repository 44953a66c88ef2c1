/** What is done to the cluster and to the capture. An action leaves the server running. */
import type { World } from "./world.js";

export interface Action {
  name: string;
  act(world: World, random: () => number): Promise<void>;
}

let names = 0;

export const actions: Action[] = [
  {
    name: "kill -9 of the capture",
    act: async (world, random) => {
      await world.endCapture("SIGKILL");
      await new Promise((resolve) => setTimeout(resolve, 3000 * random()));
    },
  },
  {
    name: "SIGTERM of the capture",
    act: (world) => world.endCapture("SIGTERM"),
  },
  {
    name: "kill -9 of the capture as it starts",
    act: async (world, random) => {
      await world.endCapture("SIGKILL");
      await world.startCapture();
      await new Promise((resolve) => setTimeout(resolve, 600 * random()));
      await world.endCapture("SIGKILL");
    },
  },
  { name: "kill -9 of the server", act: (world) => world.crashServer() },
  {
    name: "SIGSTOP of the server",
    act: (world, random) => world.pauseServer(1000 + 5000 * random()),
  },
  {
    name: "SIGSTOP of the capture",
    act: (world, random) => world.pauseCapture(1000 + 5000 * random()),
  },
  { name: "reshard", act: (world, random) => world.reshard(random() < 0.5 ? 2 : 1) },
  {
    name: "storage outage",
    act: (world, random) => world.storageOutage(500 + 4000 * random(), random() < 0.3),
  },
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
  {
    name: "fold",
    act: async (world) => {
      await world.command("fold");
    },
  },
  {
    name: "SIGSTOP of the server past the heartbeat",
    act: (world, random) => (random() < 0.3 ? world.pauseServer(18_000) : world.pauseServer(500)),
  },
];
