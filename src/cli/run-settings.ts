/** What `thinkback run` is told, read and checked before anything begins. */
import type { Chosen } from "../capture/idle-patterns.js";
import { tableSelection } from "../capture/selection.js";
import { parseListen } from "../configuration/listen-address.js";
import type { RedisAddress } from "../coordination/redis-address.js";
import { ThinkbackError } from "../errors.js";
import { durationMs } from "../instant.js";
import { parseHeads } from "../repository/log/head.js";
import { sizeBytes } from "../size.js";
import { refuseShared, spoolAt } from "../storage/store-at.js";
import { alarmOptions } from "./alarm-arguments.js";
import { accessToSource, addressesOf } from "./connect.js";
import type { Repos } from "./copies-at.js";
import { refuseWrongExpectations } from "./expect-file.js";
import { besideOptions } from "./going-on-beside.js";
import { durationOption } from "./maintenance-options.js";
import { redisOf } from "./redis-at.js";
import { type Role, rolesOf } from "./roles.js";
import type { RunArguments } from "./run-arguments.js";
import { checkApi } from "./service-api.js";
import { heartbeatUrl } from "./service-heartbeat.js";
import { recoveryTargetsOf } from "./service-recoveries.js";

const tickMsMax = 3_600_000;

export interface RunSettings {
  args: RunArguments;
  /** Copies of the repository that are kept up to date. */
  copies: string[];
  roles: ReadonlySet<Role>;
  redis: RedisAddress | undefined;
  tickMs: number;
  tickMaxMs: number;
  copiesAtOnce: number;
  spoolBytesMax: number | undefined;
  beside: ReturnType<typeof besideOptions>;
  chosen: Chosen;
  /** True for a table that is chosen. */
  selects: (db: string, table: string) => boolean;
}

/**
 * @param given `repo`: the repository, and copies of it
 * @throws {ThinkbackError} `usage`
 */
export async function readRunSettings(
  given: Omit<RunArguments, "repo"> & { repo: Repos },
): Promise<RunSettings> {
  const [repo, ...copies] = [given.repo].flat() as [string, ...string[]];
  // A copy in the place of the repository would be given segments before it is known that they may be put.
  await refuseShared([repo, ...copies].map((location) => ({ option: "--repo", location })));
  const args: RunArguments = { ...given, repo };
  const tickMs = durationMs(args.tick);
  if (tickMs === undefined || tickMs < 10 || tickMs > tickMsMax) {
    throw new ThinkbackError("usage", `--tick "${args.tick}" is not a length of a tick`, {
      hint: "give a duration of at least 10ms and at most 1h, such as 1s or 500ms",
    });
  }
  const copiesAtOnce = /^\d{1,4}$/.test(args.copies) ? Number(args.copies) : 0;
  if (copiesAtOnce < 1) {
    throw new ThinkbackError("usage", `--copies ${args.copies} is not a whole number above 0`, {
      hint: "give a number such as 2",
    });
  }
  refuseNoNames(args.forgetServer);
  if (args.expectHead !== undefined) parseHeads(args.expectHead);
  const roles = rolesOf(args.role);
  refuseIdleRestore(args, roles);
  recoveryTargetsOf(args);
  refuseIdleApi(args, roles);
  await checkApi(args);
  refuseBadAddresses(args);
  alarmOptions(args);
  await refuseWrongExpectations(args.expect);
  if (roles.has("capture")) addressesOf(accessToSource(args), "source");
  else refuseCapturing(args);
  return {
    args,
    copies,
    roles,
    redis: redisOf(args),
    tickMs,
    tickMaxMs: tickMaxOf(args, tickMs),
    copiesAtOnce,
    spoolBytesMax: await spoolBytesMaxOf(args),
    beside: besideOptions(args),
    chosen: { include: args.include, exclude: args.exclude },
    selects: tableSelection(args.include, args.exclude),
  };
}

/** Addresses of parts of the service. */
function refuseBadAddresses(args: RunArguments): void {
  if (args.metrics !== undefined) parseListen("--metrics", args.metrics);
  heartbeatUrl(args);
}

/** What a process without that role would be told in vain. */
function refuseCapturing({ role, once, takeOver }: RunArguments): void {
  const option = once ? "--once" : takeOver ? "--take-over" : undefined;
  if (option === undefined) return;
  throw new ThinkbackError("usage", `${option} has no effect with --role ${role}`, {
    hint: `leave ${option} out, or give the role capture too`,
  });
}

/** Recoveries are carried out only where this is asked for: who may write to the repository could request one. */
function refuseIdleRestore({ recoveries, role }: RunArguments, roles: ReadonlySet<Role>): void {
  const isAlone = roles.has("restore") && roles.size === 1;
  if (roles.has("restore") ? recoveries || !isAlone : !recoveries) return;
  const [text, hint] = recoveries
    ? [`--recoveries has no effect with --role ${role}`, "give the role restore too"]
    : [`--role ${role} has nothing to do`, "give --recoveries too"];
  throw new ThinkbackError("usage", text, { hint });
}

function refuseIdleApi({ api, role }: RunArguments, roles: ReadonlySet<Role>): void {
  const isAlone = roles.has("api") && roles.size === 1;
  if (roles.has("api") ? api !== undefined || !isAlone : api === undefined) return;
  const [text, hint] = roles.has("api")
    ? [`--role ${role} has nothing to do`, "give --api 127.0.0.1:7070 too"]
    : [`--api has no effect with --role ${role}`, "give the role api too"];
  throw new ThinkbackError("usage", text, { hint });
}

function refuseNoNames(servers: string[]): void {
  const odd = servers.find((name) => !/^[A-Za-z0-9_-]+$/.test(name));
  if (odd === undefined) return;
  throw new ThinkbackError("usage", `--forget-server ${odd} is not the name of a server`, {
    hint: "give the server's name or id; `thinkback status` names the servers that are not reached",
  });
}

/** At most 30 s: with longer ticks the capture would look like one that is gone. */
const tickMaxMsMax = 30_000;
const tickMaxMsDefault = 10_000;

function tickMaxOf(args: RunArguments, tickMs: number): number {
  if (!args.auto) return tickMs;
  if (args.tickMax === undefined) return Math.max(tickMs, tickMaxMsDefault);
  const maxMs = durationOption("--tick-max", args.tickMax, 1);
  if (maxMs > tickMaxMsMax) {
    throw new ThinkbackError("usage", `--tick-max ${args.tickMax} is longer than 30s`);
  }
  if (maxMs >= tickMs) return maxMs;
  throw new ThinkbackError("usage", `--tick-max ${args.tickMax} is shorter than --tick`, {
    hint: "while the store is slow, ticks grow from --tick up to --tick-max: give a longer one, or leave it out",
  });
}

/** At least 1 MiB: less would not hold the ticks of a busy minute. */
const spoolBytesMin = 2 ** 20;

/** How many bytes the spool may hold; undefined without a spool. */
async function spoolBytesMaxOf({
  repo,
  spool,
  spoolLimit,
}: RunArguments): Promise<number | undefined> {
  if (spool === undefined) return undefined;
  // Throws if the spool may not lie there.
  await spoolAt("--spool", spool, repo);
  const bytesMax = sizeBytes(spoolLimit);
  if (bytesMax !== undefined && bytesMax >= spoolBytesMin) return bytesMax;
  const wrong = bytesMax === undefined ? "is not a size" : "is too little for a spool";
  throw new ThinkbackError("usage", `--spool-limit "${spoolLimit}" ${wrong}`, {
    hint: "give it as 512MiB or 2GiB, at least 1MiB",
  });
}
