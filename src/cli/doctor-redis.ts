import { Redis } from "ioredis";
import { messageOf } from "../errors.js";
import type { Finding } from "./doctor-finding.js";

const answerMsMax = 5000;

type Found = Omit<Finding, "of">;

/** Whether a Redis can hold leases: it answers, it evicts nothing, and it remembers after a restart. */
export async function checkRedis(url: string): Promise<Finding[]> {
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: answerMsMax,
    commandTimeout: answerMsMax,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  // Without a listener the client prints what the call rejects with anyway.
  redis.on("error", () => undefined);
  try {
    await redis.connect();
    await redis.ping();
    return judged(infoFields(await redis.info())).map((found) => ({ of: "redis", ...found }));
  } catch (error) {
    const hint = "check --redis, and that the server runs and takes this user";
    return [{ of: "redis", check: "reach", outcome: "failed", text: messageOf(error), hint }];
  } finally {
    redis.disconnect();
  }
}

/** The fields of an answer to INFO. */
export function infoFields(info: string): Map<string, string> {
  const lines = info.split(/\r?\n/).filter((line) => /^[a-z_0-9]+:/.test(line));
  return new Map(
    lines.map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1)]),
  );
}

export function judged(info: ReadonlyMap<string, string>): Found[] {
  const policy = info.get("maxmemory_policy");
  const isKept = policy === "noeviction";
  const hasLog = info.get("aof_enabled") === "1";
  return [
    {
      check: "reach",
      outcome: "passed",
      text: `Redis ${info.get("redis_version") ?? "of an unknown version"}`,
    },
    isKept
      ? { check: "eviction", outcome: "passed", text: "maxmemory-policy is noeviction" }
      : {
          check: "eviction",
          outcome: policy === undefined ? "noted" : "failed",
          text: `maxmemory-policy is ${policy ?? "not told"}`,
          hint: "set maxmemory-policy noeviction: otherwise a lease may be evicted while its process runs",
        },
    hasLog
      ? { check: "persistence", outcome: "passed", text: "the append-only file is on" }
      : {
          check: "persistence",
          outcome: "noted",
          text: "the append-only file is off",
          hint: "set appendonly yes: otherwise a restart forgets who has a lease",
        },
  ];
}
