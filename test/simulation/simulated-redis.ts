/** A Redis of the simulation, as far as members use it: keys that expire by its clock, and all that can befall it. */
import { RedisCoordinator } from "../../src/coordination/redis-coordinator.js";
import type { MemberChannel, ToldMember } from "../../src/coordination/redis-members.js";
import type { LaneProcessSetup } from "./lane-process.js";
import type { ProcessLife } from "./process-life.js";
import type { VirtualTime } from "./virtual-time.js";

interface Kept {
  told: ToldMember;
  untilMs: number;
}

const replyMs = 2;

export class SimulatedRedis {
  isDown = false;
  private clockMs = 0;
  private keys = new Map<string, Kept>();
  private saved = new Map<string, Kept>();
  private readonly cutOff = new Set<ProcessLife>();

  constructor(private readonly time: VirtualTime) {}

  /** What a process uses. */
  channelOf(life: ProcessLife): MemberChannel {
    return {
      tell: (own, ttlMs) =>
        new Promise((resolve, reject) => {
          this.time.after(replyMs, () => {
            if (this.isDown || this.cutOff.has(life)) {
              life.happen(() => reject(new Error("Connection is closed.")));
              return;
            }
            const all = this.tell(own, ttlMs);
            life.after(replyMs, () => resolve(all));
          });
        }),
    };
  }

  flush(): void {
    this.keys.clear();
  }

  save(): void {
    this.saved = new Map(this.keys);
  }

  /** As after a restart from what was saved. */
  goBack(): void {
    this.keys = new Map(this.saved);
  }

  jump(ms: number): void {
    this.clockMs += ms;
  }

  /** The process does not reach it any more, or again. */
  cut(life: ProcessLife, isCut: boolean): void {
    if (isCut) this.cutOff.add(life);
    else this.cutOff.delete(life);
  }

  private tell(own: ToldMember, ttlMs: number): ToldMember[] {
    const now = this.time.nowMs + this.clockMs;
    this.keys.set(own.unique, { told: own, untilMs: now + ttlMs });
    for (const [unique, { untilMs }] of this.keys) {
      if (untilMs <= now) this.keys.delete(unique);
    }
    return [...this.keys.values()].map(({ told }) => told);
  }
}

const ignore = () => undefined;
const observer = { redisAnswers: ignore, redisFails: ignore, redisIsBack: ignore };

/** Coordinators by one Redis. */
export function coordinatedBy(
  redis: SimulatedRedis,
): NonNullable<LaneProcessSetup["wrapCoordinator"]> {
  return (members, { life, clock, owner }) =>
    new RedisCoordinator(members, redis.channelOf(life), clock, owner, observer);
}
