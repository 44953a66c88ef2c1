/**
 * Loaded before the command (`node --import`): sends SIGTERM to its process as soon as it has renamed a table. Refuses to
 * rename one before the command has waited for indexes.
 */
import { setTimeout } from "node:timers/promises";
import { RethinkTarget } from "../../dist/rethinkdb/rethink-target.js";

const { prototype } = RethinkTarget;
const own = Object.getOwnPropertyDescriptor(prototype, "renameTable");
const ownWait = Object.getOwnPropertyDescriptor(prototype, "waitForIndexes");
const built = new Set();
prototype.waitForIndexes = async function (table) {
  await ownWait.value.call(this, table);
  built.add(this);
};
prototype.renameTable = async function (...args) {
  if (!built.has(this)) throw new Error("indexes may not be built yet");
  Object.defineProperty(prototype, "renameTable", own);
  await this.renameTable(...args);
  process.kill(process.pid, "SIGTERM");
  // Long enough for a signal that is not held back to end the process.
  await setTimeout(200);
};
