/** A value that parts of the page share, and that they are shown anew with when it changes. */
import { useEffect, useState } from "preact/hooks";

export class Shared<T> {
  private readonly listeners = new Set<() => void>();

  constructor(private current: T) {}

  get value(): T {
    return this.current;
  }

  set(value: T): void {
    if (Object.is(value, this.current)) return;
    this.current = value;
    for (const listener of this.listeners) listener();
  }

  /** Calls the listener after each change; returns what ends that. */
  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }
}

export function useShared<T>(shared: Shared<T>): T {
  const [value, show] = useState(shared.value);
  useEffect(() => {
    const update = () => show(() => shared.value);
    update();
    return shared.onChange(update);
  }, [shared]);
  return value;
}
