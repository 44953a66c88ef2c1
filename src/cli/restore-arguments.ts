import type { TargetArguments } from "./connect.js";
import type { Repos } from "./copies-at.js";
import type { PastArguments } from "./restore-request.js";
import type { SelectArguments } from "./select.js";

/** What `thinkback restore` is given. */
export interface RestoreArguments extends TargetArguments, SelectArguments, PastArguments {
  repo: Repos;
  at?: string;
  rename: string[];
  dryRun?: boolean;
  withoutAccess?: boolean;
  beside?: boolean;
  report?: string;
  maxRate?: string;
  gentle?: boolean;
  mask?: string;
  allowUnusedRules?: boolean;
  expectHead?: string;
}
