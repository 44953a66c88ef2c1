/** Loaded before the command (`node --import`): sends SIGTERM to its process as soon as it has renamed a table. */
import { setTimeout } from "node:timers/promises";
import { RethinkTarget } from "../../dist/rethinkdb/rethink-target.js";

const rename = RethinkTarget.prototype.renameTable;
RethinkTarget.prototype.renameTable = async function (...args) {
  RethinkTarget.prototype.renameTable = rename;
  await rename.apply(this, args);
  process.kill(process.pid, "SIGTERM");
  // Long enough for a signal that is not held back to end the process.
  await setTimeout(200);
};
