/**
 * What other programs may import; docs/library.md describes it. The import itself does nothing: it makes no connection,
 * timer, signal handler or output.
 */
export { type ErrorCode, ThinkbackError } from "./errors.js";
export { formatInstant, type Instant, parseInstant } from "./instant.js";
export {
  type CaptureEvent,
  type CaptureOptions,
  capture,
  type TableCaptureState,
} from "./library/capture.js";
export type { Keys } from "./library/keys.js";
export {
  type CopyTrouble,
  type OpenOptions,
  openRepository,
  type Repository,
} from "./library/repository.js";
export {
  type AsOf,
  FlawedRestore,
  type HeldBack,
  type PlannedTable,
  planRestore,
  type RestoredAccess,
  type RestoredTable,
  type RestoreEvent,
  type RestoreOptions,
  type RestorePlan,
  type RestoreReport,
  type RestoreRequest,
  restore,
} from "./library/restore.js";
export {
  type CoverageClass,
  type CoverageInterval,
  type Proof,
  type RepositoryStatus,
  readStatus,
  type SystemStatus,
  type TableStatus,
} from "./library/status.js";
