import type { ObjectStore } from "./object-store.js";
import { StoreLayer } from "./store-layer.js";

/** A store that tells the name of each object that was put, once it is durable. */
export class NotingStore extends StoreLayer {
  readonly firstMissing?: NonNullable<ObjectStore["firstMissing"]>;
  readonly deleteMany?: NonNullable<ObjectStore["deleteMany"]>;
  readonly tidy?: NonNullable<ObjectStore["tidy"]>;
  readonly keepRoom?: NonNullable<ObjectStore["keepRoom"]>;
  readonly putUrgently?: NonNullable<ObjectStore["putUrgently"]>;

  /** @param below takes bytes as they are stored: what is told is what a copy stores too */
  constructor(
    below: ObjectStore,
    private readonly note: (name: string) => void,
  ) {
    super(below);
    if (below.firstMissing) this.firstMissing = below.firstMissing.bind(below);
    if (below.deleteMany) this.deleteMany = below.deleteMany.bind(below);
    if (below.tidy) this.tidy = below.tidy.bind(below);
    if (below.keepRoom) this.keepRoom = below.keepRoom.bind(below);
    if (below.putUrgently) {
      this.putUrgently = async (name, bytes, signal) => {
        await below.putUrgently!(name, bytes, signal);
        note(name);
      };
    }
  }

  override async put(name: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    await super.put(name, bytes, signal);
    this.note(name);
  }
}
