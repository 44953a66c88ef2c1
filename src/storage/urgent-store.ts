import { StoreLayer } from "./store-layer.js";

/** A store whose puts may use the room kept aside if it is full. Only for objects with whose help room is made. */
export class UrgentStore extends StoreLayer {
  override put(name: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    return this.below.putUrgently?.(name, bytes, signal) ?? super.put(name, bytes, signal);
  }
}
