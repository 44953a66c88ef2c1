/** A connection to Redis, which comes back by itself; what is asked while it is away fails at once. */
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { Redis } from "ioredis";
import { messageOf, ThinkbackError } from "../errors.js";
import type { RedisAddress } from "./redis-address.js";

/** How long Redis may take to answer. A member that is not told of in time is taken for gone, so the wait is short. */
const answerMsMax = 1000;
/** How long it may take at the start of a process. */
const firstAnswerMsMax = 5000;
const reconnectMsMax = 2000;

export type RedisClient = Redis;

/**
 * A client that is not connected yet.
 * @throws {ThinkbackError} `usage` if the file of the authority cannot be read
 */
export function redisClient(address: RedisAddress): RedisClient {
  const redis = new Redis(optionsFor(address));
  // Without a listener the client prints what each call rejects with anyway.
  redis.on("error", () => undefined);
  return redis;
}

/** Connects, and resolves when Redis has answered; rejects with the first failure, and goes on trying. */
export async function firstConnect(redis: RedisClient): Promise<void> {
  const failed = new Promise<never>((_, reject) => redis.once("error", reject));
  failed.catch(() => undefined);
  await Promise.race([redis.connect(), failed]);
}

function optionsFor(address: RedisAddress) {
  const { hosts, master, user, password, database } = address;
  const tls = tlsFor(address);
  const retry = (times: number) => Math.min(reconnectMsMax, 100 * times);
  return {
    ...(master === undefined
      ? hosts[0]!
      : {
          sentinels: hosts,
          name: master,
          sentinelRetryStrategy: retry,
          sentinelCommandTimeout: answerMsMax,
          enableTLSForSentinelMode: tls !== undefined,
          ...(tls ? { sentinelTLS: tls } : {}),
          // Leaves a master that the Sentinels have replaced, though it may still answer.
          failoverDetector: true,
        }),
    ...(user === undefined ? {} : { username: user }),
    ...(password === undefined ? {} : { password }),
    ...(tls ? { tls } : {}),
    db: database,
    lazyConnect: true,
    connectTimeout: firstAnswerMsMax,
    commandTimeout: answerMsMax,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    retryStrategy: retry,
    connectionName: "thinkback",
  };
}

function tlsFor({ tls, hosts }: RedisAddress) {
  if (!tls) return undefined;
  const { caFile, serverName } = tls;
  const [first] = hosts;
  const name = serverName ?? (hosts.length === 1 && !isIP(first!.host) ? first!.host : undefined);
  return {
    ...(caFile === undefined ? {} : { ca: authorityIn(caFile) }),
    ...(name === undefined ? {} : { servername: name }),
  };
}

function authorityIn(path: string): Buffer {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw new ThinkbackError("usage", `cannot read ca=${path}: ${messageOf(error)}`, {
      hint: "check the file that ca= in the address of the Redis names, and that this user may read it",
    });
  }
  if (bytes.includes("-----BEGIN CERTIFICATE-----")) return bytes;
  throw new ThinkbackError("usage", `ca=${path} holds no certificate in PEM form`, {
    hint: "give a file with a line -----BEGIN CERTIFICATE-----",
  });
}
