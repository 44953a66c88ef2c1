/** Five hundred that all take a lane's writer for gone at once, because Redis says so: its next epoch has one writer. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, test } from "vitest";
import { systemClock } from "../../src/clock.js";
import { RedisCoordinator } from "../../src/coordination/redis-coordinator.js";
import { RedisMembers } from "../../src/coordination/redis-members.js";
import { claimEpoch, type OwnEpoch, WriterMayRun } from "../../src/repository/log/claim-epoch.js";
import { listClaims } from "../../src/repository/log/claims.js";
import { StoredMembers } from "../../src/repository/registers/members.js";
import { openOrCreateRepository } from "../../src/repository/repository.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import { storeAt } from "../../src/storage/store-at.js";
import { RedisServer } from "../server/redis-server.js";

const members = 20;
/** That go by what one member hears. */
const perMember = 25;
const rounds = 3;

let redis: RedisServer;
let client: Redis;
let directory: string;
beforeAll(async () => {
  redis = await RedisServer.start();
  client = new Redis(redis.port, "127.0.0.1");
  directory = await mkdtemp(join(tmpdir(), "thinkback-contenders-"));
});
afterAll(async () => {
  client.disconnect();
  await redis.stop();
  await rm(directory, { recursive: true, force: true });
});

const ignore = () => undefined;
const observer = { redisAnswers: ignore, redisFails: ignore, redisIsBack: ignore };

test("one of five hundred claims the next epoch of a lane", async () => {
  const repository = await openOrCreateRepository(storeAt(directory), systemClock.now());
  const channel = new RedisMembers(client, repository.description.id);
  const dead = new Set<number>();
  const isAlive = (process: number) => !dead.has(process);
  const owner = (process: number) => ({ host: "alpha", space: "one", process, isAlive });
  const join = (process: number) => {
    // What it puts is of no interest here: the others hear of it by Redis alone.
    const of = [systemClock, owner(process)] as const;
    const stored = new StoredMembers(new MemoryStore(), ...of, `member${process}`);
    return new RedisCoordinator(stored, channel, ...of, observer);
  };
  const numbers = Array.from({ length: members }, (_, i) => i + 1);
  const coordinators = numbers.map(join);
  const renewAll = () => Promise.all(coordinators.map((one) => one.renew([], [])));
  for (let round = 1; round <= rounds; round += 1) {
    const process = 1000 + round;
    const writer = join(process);
    const before = (await listClaims(repository.store)).at(-1);
    const stopped = before && new WriterMayRun(before, undefined, before.started, false);
    const named = { ...owner(process), member: writer.unique };
    await claimEpoch(repository, systemClock, named, stopped ?? false);
    await writer.renew([0], []);
    await renewAll();
    dead.add(process);
    await writer.leave();
    if (round === 2) await redis.ask((one) => one.flushall());
    await renewAll();
    const claim = (await listClaims(repository.store)).at(-1)!;
    const claims = coordinators.flatMap((coordinator, i) => {
      expect(coordinator.hasGone(claim.member!)).toBe(true);
      return Array.from({ length: perMember }, async (_, j): Promise<OwnEpoch | undefined> => {
        const gone = new WriterMayRun(claim, undefined, claim.started, false);
        try {
          const contender = owner(2000 + perMember * i + j);
          return await claimEpoch(repository, systemClock, contender, gone);
        } catch (error) {
          expect(error).toBeInstanceOf(WriterMayRun);
          return undefined;
        }
      });
    });
    const claimed = (await Promise.all(claims)).filter((one) => one !== undefined);
    expect([claims.length, claimed.length]).toEqual([500, 1]);
    expect(claimed[0]!.epoch).toBe(2 * round);
    expect(await listClaims(repository.store)).toHaveLength(2 * round);
  }
  await Promise.all(coordinators.map((one) => one.leave()));
}, 240_000);
