/** Wake-ups between processes, by Redis; between the parts of one process without it. */
import type { RedisClient } from "./redis-client.js";
import { localWaker, type Waker } from "./wake.js";

export interface RedisWaker extends Waker {
  /** Ends its connection to Redis. */
  end(): void;
}

/**
 * Listeners of this process are woken at once, and once more when Redis gives the wake-up back. What is told while
 * Redis does not answer reaches this process alone. When Redis is back, a process is woken for all subjects, because it
 * may have missed something.
 * @param subscriber a connection of its own, because one that subscribes takes no other commands
 */
export function redisWaker(
  redis: RedisClient,
  subscriber: RedisClient,
  repositoryId: string,
): RedisWaker {
  const channel = `thinkback:${repositoryId}:wake`;
  const local = localWaker();
  const subjects = new Set<string>();
  subscriber.on("message", (of: string, subject: string) => {
    if (of === channel) local.wake(subject);
  });
  subscriber.on("ready", () => {
    const subscribed = subscriber.subscribe(channel);
    subscribed.then(
      () => {
        for (const subject of subjects) local.wake(subject);
      },
      // The connection has ended again: the next one subscribes.
      () => undefined,
    );
  });
  subscriber.connect().catch(() => undefined);
  return {
    wake: (subject) => {
      local.wake(subject);
      redis.publish(channel, subject).catch(() => undefined);
    },
    onWake: (subject, listener) => {
      subjects.add(subject);
      return local.onWake(subject, listener);
    },
    end: () => subscriber.disconnect(),
  };
}
