import type * as Threads from "../../src/format/compression-threads.js";

/** Of the build, as the commands have it: a thread is started from a file of dist/. */
const built = new URL("../../dist/format/compression-threads.js", import.meta.url).href;

export const { withThreads } = (await import(built)) as typeof Threads;
