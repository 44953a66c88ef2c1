import type { ObjectStore } from "./object-store.js";
import { StoreLayer } from "./store-layer.js";

/** A store that tells the name of each object that was put, once it is durable. */
export class NotingStore extends StoreLayer {
  /** @param below takes bytes as they are stored: what is told is what a copy stores too */
  constructor(
    below: ObjectStore,
    private readonly note: (name: string) => void,
  ) {
    super(below);
    this.passOn(["firstMissing", "deleteMany", "tidy", "keepRoom"], {
      putUrgently: async (name, bytes, signal) => {
        await below.putUrgently!(name, bytes, signal);
        note(name);
      },
    });
  }

  override async put(name: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    await super.put(name, bytes, signal);
    this.note(name);
  }
}
