/** The Redis that options name, and whether it is fit. */
import { secretIn } from "../configuration/secret-file.js";
import { parseRedisAddress, type RedisAddress } from "../coordination/redis-address.js";
import { firstConnect, type RedisClient } from "../coordination/redis-client.js";
import { infoFields, judged, type RedisFinding } from "../coordination/redis-fitness.js";
import { messageOf } from "../errors.js";

export interface RedisArguments {
  redis?: string;
  redisFile?: string;
}

/**
 * The address of the Redis, which may hold a password, if there is one.
 * @throws {ThinkbackError} `usage` if it is none, or the file cannot be read
 */
export function redisOf({ redis, redisFile }: RedisArguments): RedisAddress | undefined {
  if (redis !== undefined) return parseRedisAddress(redis, "--redis");
  if (redisFile === undefined) return undefined;
  const text = secretIn(redisFile, "--redis-file").trim();
  return parseRedisAddress(text, "the content of --redis-file");
}

/** What a Redis refuses whoever is not allowed to use it. */
const refusals = /^(?:NOAUTH|WRONGPASS|NOPERM|ERR (?:AUTH|invalid password|Client sent AUTH))/;

/** Connects, and judges the Redis. `isAway` if it was not reached, which may pass. */
export async function looksAtRedis(
  redis: RedisClient,
): Promise<{ findings: RedisFinding[]; isAway: boolean }> {
  try {
    await firstConnect(redis);
    await redis.ping();
    return { findings: judged(infoFields(await redis.info())), isAway: false };
  } catch (error) {
    const text = messageOf(error);
    const hint = "check --redis, and that the server runs and takes this user";
    const isAway = !refusals.test(text);
    return { findings: [{ check: "reach", outcome: "failed", text, hint }], isAway };
  }
}
