import { randomUUID } from "node:crypto";
import type { CaptureObserver } from "../capture/capture-options.js";
import { type IdleChoice, idleChoices, tablesOf } from "../capture/idle-patterns.js";
import { LaneKeeper } from "../capture/lane-keeper.js";
import { recorderDefaults } from "../capture/recorder.js";
import { tableSelection } from "../capture/selection.js";
import { systemClock } from "../clock.js";
import { type CopyObserver, Replicas } from "../copies/replicas.js";
import { messageOf, ThinkbackError } from "../errors.js";
import { repositoryName } from "../format/names.js";
import { thisProcess } from "../owner.js";
import { idlePaceMs } from "../repository/registers/idle-pace.js";
import { StoredMembers } from "../repository/registers/members.js";
import { openOrCreateRepository, openSame } from "../repository/repository.js";
import { formatAddresses, parseAddresses } from "../rethinkdb/address.js";
import { bothEndsFromDefault } from "../rethinkdb/both-ends.js";
import { RethinkSource } from "../rethinkdb/rethink-source.js";
import { clusterDialer } from "../rethinkdb/servers.js";
import type { Source } from "../rethinkdb/source.js";
import type { TableReference } from "../rethinkdb/table-reference.js";
import { probeAtStart, refuseUnconditional, refuseUnusable } from "../storage/probe.js";
import { impatient } from "../storage/retrying-store.js";
import { directoryAt, refuseShared, spoolAt, storeAt } from "../storage/store-at.js";
import { noUse } from "../storage/store-use.js";
import type { Keys } from "./keys.js";
import { captureOptions, checkOptions } from "./options.js";
import { keyringOf, locationsOf } from "./stored-at.js";

/** What to capture, and into which repository. Only `source` and `location` are required. */
export interface CaptureOptions {
  /** `rethinkdb://user:password@host:port,…` of one or several servers, with `?tls=true` or `?ca=FILE`; or several. */
  source: string | string[];
  /**
   * Where the repository is: a directory, or a bucket. If it is new or empty, the repository is made there. Of several
   * locations the first is the repository, and the others are copies of it that are kept up to date.
   */
  location: string | string[];
  /** The keys of a sealed repository; a writer's will do. */
  keys?: Keys;
  /** Patterns of tables: "db.table", "db", or with *, such as "shop.*". All tables, if absent or empty. */
  include?: string[];
  /** Patterns of tables that are not captured, even if `include` chooses them. */
  exclude?: string[];
  /** End when every table has a complete base: a one-shot backup. */
  once?: boolean;
  /** Length of a tick, from 10 to 3,600,000 ms; 1000 if absent. A crash can lose about one tick. */
  tickMs?: number;
  /** Large tables that are copied or resynced at once, 2 if absent; up to 16 of at most 5,000 documents come on top. */
  copiesAtOnce?: number;
  /** A directory, on another disk, where closed ticks wait while the repository's store fails; in memory if absent. */
  spool?: { location: string; bytesMax: number };
  /**
   * Begin although another capture of this repository runs: it is asked to end, and this one goes on without a gap. If
   * it does not answer it is shut out.
   */
  takeOver?: boolean;
  /** Wait while another capture runs, and go on when it has ended or is gone; also after this one has handed over. */
  standby?: boolean;
  /** Begin although this machine's clock and the source's clock disagree. */
  trustClock?: boolean;
  /** From now on capture the source's cluster, though it is another one than before, or only the servers left of it. */
  acceptCluster?: boolean;
  /** Names or ids of servers that are gone for good: the catalog is proven without them. */
  forgetServers?: string[];
  /** Ends the capture in order: the last tick is closed. Without it, only `once` or an error ends it. */
  signal?: AbortSignal;
  /** Called with what happens. It MUST NOT throw. */
  onEvent?: (event: CaptureEvent) => void;
}

/** An event of a capture. `table` is "db.table", the table's name at that moment; `id` stays when it is renamed. */
export type CaptureEvent =
  | { kind: "state"; table: string; id: string; state: TableCaptureState }
  /** The table is captured in another lane from now on, because the number of lanes has changed. */
  | { kind: "moved"; id: string; lane: number }
  /** The table's feed could not be opened, or was lost; the capture tries to open it again. */
  | { kind: "lost"; table: string; id: string; reason: string }
  /** A defect has stopped the table's capture. It is tried again after a minute, then after pauses of up to an hour. */
  | { kind: "stopped"; table: string; id: string; error: unknown }
  /** Progress of a copy or resync. `estimate` is the server's estimate of the documents; `bytes` counts JSON text. */
  | {
      kind: "scanned";
      table: string;
      id: string;
      documents: number;
      bytes: number;
      estimate: number;
    }
  /**
   * An include pattern chooses no table that exists; `excluded` is true if exclude patterns take away all that it
   * matches.
   */
  | { kind: "idlePattern"; pattern: string; excluded: boolean }
  /** The exclude patterns take away all tables that exist. */
  | { kind: "allExcluded" }
  | { kind: "storeFails"; reason: string }
  | { kind: "storeIsBack"; waitedMs: number }
  /** Segments that an earlier capture had left in the spool are in the repository now. */
  | { kind: "spoolDelivered"; segments: number }
  /** Segments in the spool were dropped, because they do not continue the log in the repository. */
  | { kind: "spoolDropped"; segments: number }
  /**
   * A segment in the spool is not what a capture of this repository wrote; `reason` says why. It stays there with those
   * that follow it, `segments` in all; their time is a gap.
   */
  | { kind: "spoolKept"; segment: string; reason: string; segments: number }
  /** What this capture had stored is gone from its repository. It begins again after the end of what is left. */
  | { kind: "logLost"; missing: string }
  /** It cannot begin again yet, and will try again. */
  | { kind: "beginsLater"; reason: string }
  | { kind: "beginsAgain" }
  /** Another capture may still write to the repository: for so long it is looked whether it stores anything. */
  | { kind: "waitsForWriter"; host: string; process: number; ms: number }
  /** With `standby`: another capture runs. This one goes on when that one has ended or has stored nothing for `ms`. */
  | { kind: "standsBy"; host: string; process: number; ms: number }
  /** With `takeOver`: another capture runs. It is asked to end, and given up to `ms` to answer. */
  | { kind: "asksForHandOver"; host: string; process: number; ms: number }
  /** So many tables go on without a gap; those that `gaps` names have one, and are resynced. */
  | { kind: "handOverEnds"; goOn: number; gaps: string[] }
  /** The process that captured a lane is gone: this one goes on after its last proof, with a gap. */
  | { kind: "goesOnAfter"; host: string; process: number }
  /** Another process goes on in a lane that this one captured. */
  | { kind: "hasHandedOver"; host: string; process: number }
  /** This capture has ended for a process that has not gone on: it goes on itself. */
  | { kind: "nobodyGoesOn"; host: string; process: number }
  /** It has not ended: it is shut out. */
  | { kind: "handOverFails"; reason: string }
  /** `stops`: memory and spool are full, so nothing is read from the source. Otherwise there is room again. */
  | { kind: "readingStops"; stops: boolean }
  /**
   * The source does not tell how much is written, so nothing can be proven. `reason` is undefined when it tells again.
   */
  | { kind: "surveyFails"; reason: string | undefined }
  /**
   * The catalog cannot be read: changes of tables, names, indexes and hooks are not known. `reason` is undefined when
   * it can again.
   */
  | { kind: "catalogUnreadable"; reason: string | undefined }
  /** Names of servers that are not reached; empty when all are. Until then the catalog and access are not proven. */
  | { kind: "serversMissing"; names: string[] }
  /** `refused`: users and permissions may not be read. Otherwise they may be read again. */
  | { kind: "accessRefused"; refused: boolean }
  /** This machine's clock was set by `byMs`, or is right again. */
  | { kind: "clockSet"; outcome: "followed" | "waited out" | "right again"; byMs: number }
  /** The table has no write hook any more: a reshard drops it silently. */
  | { kind: "writeHookGone"; table: string; id: string }
  /** A copy cannot be brought up to date now. It is tried again, and the capture goes on. */
  | { kind: "copyFails"; copy: string; reason: string }
  /** A copy has everything that the repository has: so much was copied. */
  | { kind: "copyIsLevel"; copy: string; objects: number; bytes: number }
  /** An object of the repository cannot be copied, or is another one in the copy. */
  | { kind: "copyLacks"; copy: string; object: string; what: string }
  /** Ticks that the copy alone had, after the end of the log, are in the repository now. */
  | { kind: "copyGives"; copy: string; segments: number }
  /** The copy is away when the capture begins. Ticks that it alone may have are a gap. */
  | { kind: "copyMayHaveMore"; copy: string; reason: string }
  /** A tick that the copy alone has was not delivered; `reason` says why. It is a gap, with those that follow it. */
  | { kind: "copyKeeps"; copy: string; segment: string; reason: string };

export type TableCaptureState =
  | "opening"
  | "copying"
  | "live"
  | "gap"
  | "resyncing"
  | "stopped"
  | "dropped";

const tickMsMin = 10;
const tickMsMax = 3_600_000;

/**
 * Captures every change of a cluster into a repository, until the signal aborts. It does not maintain the repository:
 * run `thinkback maintain` beside it from time to time. With `once` it waits for copies, but not for one that fails.
 * @throws {ThinkbackError} `usage`, also if the repository is sealed and the keys are missing; `source` if the source
 * cannot be reached at the start; `repository`, `full` or `damaged`; `fenced` if another capture owns the repository,
 * or has taken it over; `clock`; `unknown` if with `once` an include pattern chooses no table, or the exclude patterns
 * leave none; `incomplete` if `once` was ended before every table was complete
 */
export async function capture(options: CaptureOptions): Promise<void> {
  checkOptions(captureOptions, options);
  const {
    tickMs = recorderDefaults.tickMs,
    copiesAtOnce = 2,
    include = [],
    exclude = [],
  } = options;
  const { once = false, spool, onEvent = () => undefined } = options;
  const { signal = new AbortController().signal } = options;
  if (!(tickMs >= tickMsMin && tickMs <= tickMsMax)) {
    throw new ThinkbackError("usage", `tickMs is ${tickMs}, which is no length of a tick`, {
      hint: `give milliseconds from ${tickMsMin} to ${tickMsMax}`,
    });
  }
  if (!Number.isSafeInteger(copiesAtOnce) || copiesAtOnce < 1) {
    throw new ThinkbackError("usage", `copiesAtOnce is ${copiesAtOnce}, no whole number above 0`);
  }
  const [location, ...copies] = locationsOf(options.location);
  await refuseShared([location, ...copies].map((one) => ({ option: "location", location: one })));
  const spooled = spool && (await spoolAt("spool", spool.location, location));
  const keyring = await keyringOf(options.keys);
  const observerOf = (copy: string) => told(copy, onEvent);
  const replicas = new Replicas(location, copies, systemClock, observerOf, { ...noUse });
  const selects = tableSelection(include, exclude);
  const addresses = parseAddresses([options.source].flat());
  const dial = clusterDialer(addresses, "source", systemClock);
  const source = new RethinkSource(formatAddresses(addresses), dial, systemClock);
  try {
    for (const idle of await idleOf(source, include, exclude)) {
      if (once) throw choosesNothing(idle, source);
      const { pattern, excluded } = idle;
      if (pattern === null) onEvent({ kind: "allExcluded" });
      else onEvent({ kind: "idlePattern", pattern, excluded });
    }
    if (spooled) await refuseUnusable(spooled);
    await replicas.refuseApart();
    const another = () => storeAt(location, impatient);
    // A store that is away is told at once. One that puts off callers that race is asked again.
    await another().size(repositoryName);
    const toProbe = () => storeAt(location);
    refuseUnconditional(location, await probeAtStart(toProbe, systemClock));
    const heard = () => replicas.hearing(another());
    const now = systemClock.now();
    const repository = await openOrCreateRepository(heard(), now, keyring, toProbe);
    replicas.begin();
    const reopen = () => openSame(heard(), repository.description, keyring);
    const unique = randomUUID().replaceAll("-", "");
    const members = new StoredMembers(repository.store, systemClock, thisProcess, unique);
    const observer = observing(onEvent);
    const keeper = new LaneKeeper(repository, systemClock, members, {
      openSource: () => new RethinkSource(formatAddresses(addresses), dial, systemClock),
      observer: () => observer,
      capture: ({ description, lane }) => ({
        ...recorderDefaults,
        idleSegmentMs: idlePaceMs(repository.store),
        tickMs,
        tickMaxMs: tickMs,
        selects,
        once,
        copiesAtOnce,
        bothEndsFrom: bothEndsFromDefault,
        takeOver: options.takeOver === true,
        standby: options.standby === true,
        trustClock: options.trustClock === true,
        acceptCluster: options.acceptCluster === true,
        forgetServers: options.forgetServers ?? [],
        owner: { ...thisProcess, include, exclude },
        // A directory may be the spool of several repositories, and of several lanes.
        spool: spool && {
          store: directoryAt("spool", `${spool.location}/${description.id}`),
          bytesMax: spool.bytesMax,
        },
        random: Math.random,
        alsoTo: replicas.ofLane(lane.number),
        deliverLeft: (repository) => replicas.deliverLeft(repository, lane.number),
        // A new store: what the old one remembers of the directory may be untrue by now.
        reopen,
      }),
      reopen,
    });
    await keeper.run(signal);
    await replicas.end(once);
  } finally {
    source.close();
    await replicas.stop();
  }
}

/**
 * The patterns that choose no table; none if the source may not tell its tables. Throws if the source cannot be
 * reached, before a repository is made.
 */
async function idleOf(source: Source, include: string[], exclude: string[]): Promise<IdleChoice[]> {
  const tables = await tablesOf(source);
  return tables ? idleChoices({ include, exclude }, tables) : [];
}

function choosesNothing({ pattern, excluded }: IdleChoice, { location }: Source): ThinkbackError {
  const left = `exclude leaves no table${pattern === null ? "" : ` of the pattern ${pattern}`}`;
  const what = excluded ? left : `the pattern ${pattern} chooses no table`;
  return new ThinkbackError("unknown", `${what} of ${location}`, {
    hint: "without `once` a capture waits for such a table",
  });
}

function told(copy: string, onEvent: (event: CaptureEvent) => void): CopyObserver {
  return {
    keepsUp: () => undefined,
    fails: (error) => onEvent({ kind: "copyFails", copy, reason: messageOf(error) }),
    isLevel: ({ objects, bytes }) => onEvent({ kind: "copyIsLevel", copy, objects, bytes }),
    finds: (object, what) => onEvent({ kind: "copyLacks", copy, object, what }),
    gives: (segments) => onEvent({ kind: "copyGives", copy, segments }),
    mayHaveMore: (error) => onEvent({ kind: "copyMayHaveMore", copy, reason: messageOf(error) }),
    keeps: (segment, reason) => onEvent({ kind: "copyKeeps", copy, segment, reason }),
  };
}

function observing(onEvent: (event: CaptureEvent) => void): CaptureObserver {
  const named = ({ id, db, name }: Pick<TableReference, "id" | "db" | "name">) => {
    return { table: `${db}.${name}`, id };
  };
  return {
    state: (table, state) => onEvent({ kind: "state", ...named(table), state }),
    begins: () => undefined,
    ends: () => undefined,
    tickStored: () => undefined,
    waits: () => undefined,
    renamed: () => undefined,
    moved: ({ id }, lane) => onEvent({ kind: "moved", id, lane }),
    goesOnAfter: ({ host, process }) => onEvent({ kind: "goesOnAfter", host, process }),
    hasHandedOver: ({ host, process }) => onEvent({ kind: "hasHandedOver", host, process }),
    lost: (table, reason) => onEvent({ kind: "lost", ...named(table), reason }),
    stopped: (table, error) => onEvent({ kind: "stopped", ...named(table), error }),
    scanned: (table, documents, bytes, estimate) =>
      onEvent({ kind: "scanned", ...named(table), documents, bytes, estimate }),
    storeFails: ({ message }) => onEvent({ kind: "storeFails", reason: message }),
    storeIsBack: (waitedMs) => onEvent({ kind: "storeIsBack", waitedMs }),
    spoolDelivered: (segments) => onEvent({ kind: "spoolDelivered", segments }),
    spoolDropped: (segments) => onEvent({ kind: "spoolDropped", segments }),
    spoolKept: ({ name, what, segments }) =>
      onEvent({ kind: "spoolKept", segment: name, reason: what, segments }),
    logLost: ({ end }) => onEvent({ kind: "logLost", missing: end.segment.name }),
    beginsLater: ({ message }) => onEvent({ kind: "beginsLater", reason: message }),
    beginsAgain: () => onEvent({ kind: "beginsAgain" }),
    waitsForWriter: ({ host, process }, ms) =>
      onEvent({ kind: "waitsForWriter", host, process, ms }),
    standsBy: ({ host, process }, ms) => onEvent({ kind: "standsBy", host, process, ms }),
    asksForHandOver: ({ host, process }, ms) =>
      onEvent({ kind: "asksForHandOver", host, process, ms }),
    handOverEnds: (goOn, gaps) => onEvent({ kind: "handOverEnds", goOn, gaps }),
    nobodyGoesOn: ({ host, process }) => onEvent({ kind: "nobodyGoesOn", host, process }),
    handOverFails: (reason) => onEvent({ kind: "handOverFails", reason }),
    readingStops: (stops) => onEvent({ kind: "readingStops", stops }),
    // Never called: the library gives no longest tick, so ticks are not adapted.
    tickAdapted: () => undefined,
    surveyFails: (reason) => onEvent({ kind: "surveyFails", reason }),
    catalogUnreadable: (reason) => onEvent({ kind: "catalogUnreadable", reason }),
    serversMissing: (names) => onEvent({ kind: "serversMissing", names }),
    accessRefused: (refused) => onEvent({ kind: "accessRefused", refused }),
    clockSet: ({ outcome, byMs }) => onEvent({ kind: "clockSet", outcome, byMs }),
    writeHookGone: (table) => onEvent({ kind: "writeHookGone", ...named(table) }),
  };
}
