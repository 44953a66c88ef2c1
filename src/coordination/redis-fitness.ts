/** Whether a Redis is fit for members: by what it says of itself. */

/** What one look found. */
export interface RedisFinding {
  check: "reach" | "version" | "master" | "eviction" | "persistence";
  outcome: "passed" | "failed" | "noted";
  text: string;
  /** What to do about it. */
  hint?: string;
}

/** The first version whose scripts may write after they have read a set, with users and TLS. */
const versionLeast = 6;

/** The fields of an answer to INFO. */
export function infoFields(info: string): Map<string, string> {
  const lines = info.split(/\r?\n/).filter((line) => /^[a-z_0-9]+:/.test(line));
  return new Map(
    lines.map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1)]),
  );
}

export function judged(info: ReadonlyMap<string, string>): RedisFinding[] {
  const version = info.get("redis_version");
  return [
    { check: "reach", outcome: "passed", text: `Redis ${version ?? "of an unknown version"}` },
    ...oldVersion(version),
    ...noMaster(info),
    eviction(info.get("maxmemory_policy")),
    persistence(info.get("aof_enabled") === "1"),
  ];
}

function oldVersion(version: string | undefined): RedisFinding[] {
  if (version === undefined || Number.parseInt(version, 10) >= versionLeast) return [];
  const hint = `take Redis ${versionLeast} or a later one`;
  return [{ check: "version", outcome: "failed", text: `Redis ${version} is too old`, hint }];
}

/** Of a cluster each key has its server, and a replica takes none. */
function noMaster(info: ReadonlyMap<string, string>): RedisFinding[] {
  const failed = (text: string, hint: string): RedisFinding[] => [
    { check: "master", outcome: "failed", text, hint },
  ];
  if (info.get("redis_mode") === "cluster") {
    return failed(
      "this is a server of a Redis Cluster",
      "give a Redis that stands alone, or Sentinels: redis+sentinel://host:26379/name of the master",
    );
  }
  if (info.get("role") !== "slave") return [];
  return failed(
    "this is a replica, which takes no writes",
    "give the address of the master, or of the Sentinels that know it",
  );
}

function eviction(policy: string | undefined): RedisFinding {
  const check = "eviction";
  if (policy === "noeviction") {
    return { check, outcome: "passed", text: "maxmemory-policy is noeviction" };
  }
  return {
    check,
    outcome: policy === undefined ? "noted" : "failed",
    text: `maxmemory-policy is ${policy ?? "not told"}`,
    hint: "set maxmemory-policy noeviction: otherwise a lease may be evicted while its process runs",
  };
}

function persistence(hasLog: boolean): RedisFinding {
  const check = "persistence";
  if (hasLog) return { check, outcome: "passed", text: "the append-only file is on" };
  return {
    check,
    outcome: "noted",
    text: "the append-only file is off",
    hint: "set appendonly yes: otherwise a restart forgets who has a lease",
  };
}
