import { StoreLayer } from "./store-layer.js";

/** The store, which puts with room that is kept aside where there is no other: for what makes room again. */
export class UrgentStore extends StoreLayer {
  override put(name: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    return this.below.putUrgently?.(name, bytes, signal) ?? super.put(name, bytes, signal);
  }
}
