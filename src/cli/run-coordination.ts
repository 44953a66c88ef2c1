/** How a process finds the others: by the repository, and faster by Redis. */
import { randomUUID } from "node:crypto";
import { systemClock } from "../clock.js";
import type { RedisAddress } from "../coordination/redis-address.js";
import { shownRedis } from "../coordination/redis-address.js";
import { type RedisClient, redisClient } from "../coordination/redis-client.js";
import { RedisCoordinator, type RedisObserver } from "../coordination/redis-coordinator.js";
import { RedisMembers } from "../coordination/redis-members.js";
import { redisWaker } from "../coordination/redis-waker.js";
import { localWaker, type Waker } from "../coordination/wake.js";
import { messageOf, ThinkbackError } from "../errors.js";
import type { Repository } from "../format/description.js";
import type { Facts } from "../health/facts.js";
import { thisProcess } from "../owner.js";
import { type Coordinator, StoredMembers } from "../repository/registers/members.js";
import type { Log } from "./log.js";
import { looksAtRedis } from "./redis-at.js";

export interface Coordination {
  coordinator: Coordinator;
  waker: Waker;
  /** Ends the connections. */
  end(): void;
}

/** A Redis that was looked at. */
export interface TriedRedis {
  redis: RedisClient;
  address: RedisAddress;
}

/**
 * Connects to the Redis, and says in the log what is not as it should be. One that is away is only warned of: the
 * repository takes its place until it is back.
 * @throws {ThinkbackError} `unfit` if it refuses this user, or cannot do what is needed
 */
export async function tryRedis(address: RedisAddress, log: Log): Promise<TriedRedis> {
  const redis = redisClient(address);
  const { findings, isAway } = await looksAtRedis(redis);
  const shown = shownRedis(address);
  const failed = findings.find(({ outcome }) => outcome === "failed");
  if (failed && !isAway) {
    redis.disconnect();
    const { text, hint } = failed;
    throw new ThinkbackError(
      "unfit",
      `the Redis at ${shown} is not fit: ${text}`,
      hint === undefined ? {} : { hint },
    );
  }
  for (const { outcome, text, hint } of findings) {
    if (outcome === "failed") log.warn({ redis: shown, error: text }, awayText);
    else if (outcome === "noted") log.warn({ redis: shown, hint }, text);
  }
  return { redis, address };
}

const awayText =
  "Redis does not answer: processes find each other by the repository, which takes longer";

/** @param tried the Redis, if there is one */
export function coordinationOf(
  tried: TriedRedis | undefined,
  { store, description }: Repository,
  facts: Facts,
  log: Log,
): Coordination {
  const unique = randomUUID().replaceAll("-", "");
  const members = new StoredMembers(store, systemClock, thisProcess, unique);
  if (!tried) return { coordinator: members, waker: localWaker(), end: () => undefined };
  const { redis, address } = tried;
  const location = shownRedis(address);
  const channel = new RedisMembers(redis, description.id);
  const observer = telling(location, facts, log);
  const waker = redisWaker(redis, redisClient(address), description.id);
  log.info({ redis: location }, "processes find each other by Redis");
  return {
    coordinator: new RedisCoordinator(members, channel, systemClock, thisProcess, observer),
    waker,
    end: () => {
      waker.end();
      redis.disconnect();
    },
  };
}

/** Notes in the facts when Redis answers, and tells in the log whether it does. */
function telling(location: string, facts: Facts, log: Log): RedisObserver {
  return {
    redisAnswers: () => {
      facts.redis = { answeredAt: systemClock.now() };
    },
    redisFails: (error) => {
      log.warn({ redis: location, error: messageOf(error) }, awayText);
    },
    redisIsBack: () => {
      log.info({ redis: location }, "Redis answers again");
    },
  };
}
