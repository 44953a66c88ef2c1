import type { RedisAddress } from "../coordination/redis-address.js";
import { redisClient } from "../coordination/redis-client.js";
import type { Finding } from "./doctor-finding.js";
import { looksAtRedis } from "./redis-at.js";

/** Whether a Redis can hold leases: it answers, it evicts nothing, and it remembers after a restart. */
export async function checkRedis(address: RedisAddress): Promise<Finding[]> {
  const redis = redisClient(address);
  try {
    const { findings } = await looksAtRedis(redis);
    return findings.map((found) => ({ of: "redis", ...found }));
  } finally {
    redis.disconnect();
  }
}
