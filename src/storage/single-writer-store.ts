import { ObjectExists, StoreUnsupported } from "./object-store.js";
import { StoreLayer } from "./store-layer.js";

/**
 * A store without conditional writes, which one process alone writes to, by the operator's word. A put first asks
 * whether the name is taken: that keeps a process from overwriting its own objects, and nothing more. Two processes
 * that put one name at the same time both succeed, and each believes that it owns what only one of them can.
 */
export class SingleWriterStore extends StoreLayer {
  override async put(name: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    const { below } = this;
    if (!below.replace) {
      throw new StoreUnsupported(
        `${below.location} cannot store objects without a condition`,
        "leave --single-writer out: this store does not need it",
      );
    }
    if ((await below.size(name, signal)) !== undefined) throw new ObjectExists(name);
    await below.replace(name, bytes, signal);
  }
}
