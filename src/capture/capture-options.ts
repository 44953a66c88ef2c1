/** What a capture is told, and whom it tells what happens. */
import type { TableConfig } from "../catalog-record.js";
import type { Repository } from "../format/description.js";
import type { Instant } from "../instant.js";
import type { Owner } from "../owner.js";
import type { ClaimFacts, WriterMayRun } from "../repository/log/claim-epoch.js";
import type { ClosedTick } from "../repository/log/log-writer.js";
import type { CatalogObserver } from "./catalog-follower.js";
import type { ClusterOptions } from "./first-catalog.js";
import type { LaneTables } from "./lane-tables.js";
import type { SpoolObserver } from "./left-spool.js";
import type { ClockNews } from "./log-clock.js";
import type { LogLost } from "./own-log.js";
import type { RecorderOptions } from "./recorder.js";
import type { ShipperObserver, Spool } from "./shipper.js";
import type { StandbyObserver } from "./stand-by.js";
import type { TableObserver } from "./table-context.js";
import type { TakeOverObserver } from "./take-over.js";
import type { PaceChange } from "./tick-pace.js";
import type { WriterObserver } from "./wait-for-writer.js";

export interface CaptureObserver
  extends TableObserver,
    ShipperObserver,
    CatalogObserver,
    SpoolObserver,
    WriterObserver,
    StandbyObserver,
    TakeOverObserver {
  /** A process captures the lane from now on, or stands by to. */
  begins(): void;
  /** It does so no more. */
  ends(): void;
  /** What this capture has stored is gone from its repository: it begins again behind what is there. */
  logLost(error: LogLost): void;
  /** It cannot yet, and tries again. */
  beginsLater(error: Error): void;
  beginsAgain(): void;
  /** See RecorderObserver. */
  tickStored(tick: ClosedTick, proofs: ReadonlyMap<string, Instant>): void;
  /** Memory and spool are full, so reading stops; or there is room again. */
  readingStops(stops: boolean): void;
  /** Ticks are longer or shorter from now on, because the store is slow or fast. */
  tickAdapted(change: PaceChange): void;
  /** This machine's clock was set, or is right again. */
  clockSet(news: ClockNews): void;
  /** See RecorderObserver. */
  surveyFails(reason: string | undefined, defect?: unknown): void;
  /** A table has lost its write hook: somebody deleted it, or a reshard dropped it without a word. */
  writeHookGone(table: TableConfig): void;
}

export interface CaptureOptions extends RecorderOptions, ClusterOptions {
  /** True for a table to be captured. */
  selects(db: string, table: string): boolean;
  /** End as soon as every table has a complete base. */
  once: boolean;
  /** Large tables that are scanned at once; of small ones more, see ScanQueue. */
  copiesAtOnce: number;
  /** Tables of so many documents, as the server estimates them, are copied from both ends at once. */
  bothEndsFrom: number;
  /** Take over from a writer that seems to live: without a gap if it answers, else it is shut out. */
  takeOver: boolean;
  /** With `takeOver`: only if it answers. */
  mustAnswer?: boolean;
  /** The writer before, if it is known to be gone. */
  gone?: WriterMayRun | undefined;
  /** The tables of the lane that is captured; all tables if absent. */
  lane?: LaneTables | undefined;
  /** True once other processes share the lanes: then this one never stands by. */
  isShared?: (() => boolean) | undefined;
  /** Since when nobody could take this process for gone, by the monotonic clock; see Coordinator. Always, if absent. */
  heldSinceMs?: (() => number | undefined) | undefined;
  /** True while other processes are known that may ask to go on in the place of this one. */
  isExpected?: (() => boolean) | undefined;
  /** Wait as long as another writer runs, and go on after it; also after it was asked to take over from this one. */
  standby: boolean;
  /** Begin also by a clock that the source's does not confirm. */
  trustClock: boolean;
  owner: Owner & Pick<ClaimFacts, "include" | "exclude" | "singleWriter">;
  /** Where closed segments wait while the store fails; in memory if absent. */
  spool: Spool | undefined;
  /** Is given each segment, as it is stored, before it is put: for copies of the repository. Takes no time. */
  alsoTo?: ((name: string, bytes: Buffer) => void) | undefined;
  /** Is called before an epoch is claimed: brings to the repository the ticks that only copies of it have. */
  deliverLeft?: ((repository: Repository) => Promise<void>) | undefined;
  /** For the jitter of retries. */
  random: () => number;
  /** Opens the repository anew, after what was stored there was lost. Rejects while there is none, or another one. */
  reopen: () => Promise<Repository>;
}
