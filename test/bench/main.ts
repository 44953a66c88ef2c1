/**
 * `npm run bench`: each case beside its bare limit, in turn, in one run; medians and their ratio are printed.
 * Nothing is asserted about time: machines are noisy.
 *
 *   npm run bench -- restore fold --documents 10000 --rounds 3
 *
 * runs two of the cases, with tables of 10,000 documents, each side three times. Those that need no server start none.
 */
import { rm } from "node:fs/promises";
import { parseArgs } from "node:util";
import { startServer, type TestServer } from "../server/find-server.js";
import type { Bench } from "./bench.js";
import { benchBucket } from "./bucket.js";
import { benchCopy, benchCopyMemory } from "./copy.js";
import { benchDump } from "./dump.js";
import { benchEmptied } from "./emptied.js";
import { benchEstimate } from "./estimate.js";
import { benchExactness } from "./exactness.js";
import { benchFold } from "./fold.js";
import { benchFoldLimit } from "./fold-limit.js";
import { benchHistory } from "./history.js";
import { benchIdle } from "./idle.js";
import { benchLag } from "./lag.js";
import { benchRestore } from "./restore.js";
import { benchSealed } from "./sealed.js";
import { benchSize } from "./size.js";
import { benchStart } from "./start.js";
import { benchSteady } from "./steady-case.js";
import { benchTables } from "./tables.js";
import { benchUnfolded } from "./unfolded.js";
import { benchWorkMemory } from "./work-memory.js";

/** What each measures stands at the top of its file. */
const cases: Record<string, (bench: Bench) => Promise<void>> = {
  copy: benchCopy,
  "copy-memory": benchCopyMemory,
  steady: benchSteady,
  size: benchSize,
  fold: benchFold,
  "fold-limit": benchFoldLimit,
  restore: benchRestore,
  estimate: benchEstimate,
  sealed: benchSealed,
  bucket: benchBucket,
  history: benchHistory,
  memory: benchWorkMemory,
  lag: benchLag,
  exactness: benchExactness,
  idle: benchIdle,
  dump: benchDump,
  start: benchStart,
  unfolded: benchUnfolded,
  tables: benchTables,
  emptied: benchEmptied,
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    documents: { type: "string", default: "100000" },
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "180" },
    tables: { type: "string", default: "300" },
  },
});

const unknown = positionals.find((name) => !Object.hasOwn(cases, name));
if (unknown !== undefined) {
  throw new Error(`there is no case ${unknown}; there are ${Object.keys(cases).join(", ")}`);
}

const scratch: string[] = [];
let server: Promise<TestServer> | undefined;
const bench: Bench = {
  documents: Number(values.documents),
  rounds: Number(values.rounds),
  seconds: Number(values.seconds),
  tables: Number(values.tables),
  scratch,
  server: () => (server ??= startServer()),
};
try {
  for (const name of positionals.length > 0 ? positionals : Object.keys(cases)) {
    await cases[name]!(bench);
  }
} finally {
  await (await server)?.stop();
  for (const directory of scratch) await rm(directory, { recursive: true, force: true });
}
