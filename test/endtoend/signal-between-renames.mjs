/** Loaded before the command (`node --import`): sends SIGTERM to its process as soon as it has renamed a table. */
import { setTimeout } from "node:timers/promises";
import { RethinkTarget } from "../../dist/rethinkdb/rethink-target.js";

const { prototype } = RethinkTarget;
const own = Object.getOwnPropertyDescriptor(prototype, "renameTable");
prototype.renameTable = async function (...args) {
  Object.defineProperty(prototype, "renameTable", own);
  await this.renameTable(...args);
  process.kill(process.pid, "SIGTERM");
  // Long enough for a signal that is not held back to end the process.
  await setTimeout(200);
};
