/**
 * Wake-ups between those who change something and those who wait for it. They are hints: who waits looks by itself too,
 * only later.
 */

export interface Waker {
  /** Tells everybody who listens for the subject, such as "recoveries". Does not throw. */
  wake(subject: string): void;
  /** Calls the listener at each wake-up of the subject; returns what ends that. The listener MUST NOT throw. */
  onWake(subject: string, listener: () => void): () => void;
}

/** Wake-ups within this process. */
export function localWaker(): Waker {
  const listeners = new Map<string, Set<() => void>>();
  return {
    wake: (subject) => {
      for (const listener of listeners.get(subject) ?? []) listener();
    },
    onWake: (subject, listener) => {
      const known = listeners.get(subject) ?? new Set();
      known.add(listener);
      listeners.set(subject, known);
      return () => void known.delete(listener);
    },
  };
}
