import type { ObjectStore, Range } from "./object-store.js";
import { StoreLayer } from "./store-layer.js";

/** A store that tells the name of each object that was put, once it is durable, and what was read as a whole. */
export class NotingStore extends StoreLayer {
  /**
   * @param below takes and gives bytes as they are stored: what is told is what a copy stores too
   * @param noteRead is told before the reader has the bytes
   */
  constructor(
    below: ObjectStore,
    private readonly note: (name: string) => void,
    private readonly noteRead: (name: string, bytes: Buffer) => void = () => undefined,
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

  override async get(name: string, range?: Range, signal?: AbortSignal): Promise<Buffer> {
    const bytes = await super.get(name, range, signal);
    if (!range) this.noteRead(name, bytes);
    return bytes;
  }
}
