import type { TargetArguments } from "./connect.js";
import type { Repos } from "./copies-at.js";
import type { SelectArguments } from "./select.js";

/** What `thinkback restore` is given. */
export interface RestoreArguments extends TargetArguments, SelectArguments {
  repo: Repos;
  at?: string;
  table: string[];
  db: string[];
  rename: string[];
  dryRun?: boolean;
  gap?: string;
  allowInexact?: boolean;
  nearest?: boolean;
  withoutAccess?: boolean;
  beside?: boolean;
  report?: string;
  maxRate?: string;
  gentle?: boolean;
  mask?: string;
  allowUnusedRules?: boolean;
  expectHead?: string;
}
