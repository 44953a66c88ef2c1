/**
 * Loaded before the command (`node --import`): notes which operations its process does on the directory RECORDED_STORE,
 * and writes them as lines `command TAB operation TAB name` to a file in the directory RECORDED_TO.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { DirectoryStore } from "../../dist/storage/directory-store.js";

const { RECORDED_STORE: store, RECORDED_TO: to } = process.env;

/** The full name of the command that runs now. */
function command() {
  const [first, second] = globalThis.recordedCommand ?? process.argv.slice(2);
  return ["pin", "lanes", "recoveries", "config", "alarm"].includes(first)
    ? `${first} ${second}`
    : first;
}

/** What a bucket calls the operation. */
const operations = {
  get: "read",
  tail: "read",
  size: "read",
  firstMissing: "read",
  list: "list",
  put: "create",
  putUrgently: "create",
  delete: "delete",
  deleteMany: "delete",
};

const lines = new Set();
for (const [method, operation] of Object.entries(operations)) {
  const original = DirectoryStore.prototype[method];
  if (!original) continue;
  DirectoryStore.prototype[method] = function (...args) {
    if (this.location === store) {
      for (const of of [args[0]].flat()) lines.add(`${command()}\t${operation}\t${of}`);
    }
    return original.apply(this, args);
  };
}
process.on("exit", () => {
  if (lines.size > 0) writeFileSync(join(to, `${process.pid}`), [...lines].join("\n"));
});
