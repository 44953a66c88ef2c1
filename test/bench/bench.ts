import type { TestServer } from "../server/find-server.js";

/** What a case is given. */
export interface Bench {
  /** How many documents its tables have. */
  documents: number;
  /** How often each side is run. */
  rounds: number;
  /** How many tables there are, in the case of many. */
  tables: number;
  /** How long the cases go on that take their time by themselves. */
  seconds: number;
  /** Directories that are removed in the end. */
  scratch: string[];
  /** The server, started with the first case that asks for it. */
  server(): Promise<TestServer>;
}
