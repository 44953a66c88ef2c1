/**
 * A repository as it is at one moment. A command reads one view and passes it on. The view reads each thing once and
 * computes everything from the same listings. It becomes stale when something is put or deleted.
 */
import { isDamage } from "../errors.js";
import type { Repository } from "../format/description.js";
import type { Instant } from "../instant.js";
import type { ObjectStore } from "../storage/object-store.js";
import { RememberedStore } from "../storage/remembered-store.js";
import { type BaseInventory, type BaseManifest, newestBase, readBases } from "./bases/base.js";
import { type NewestBundle, newestBundle } from "./bundle.js";
import { type Coverage, readCoverage } from "./coverage/coverage-reader.js";
import { type Catalog, catalogAt } from "./log/catalog.js";
import { endOfLog, type LogEnd } from "./log/log-end.js";
import { LogView } from "./log/log-view.js";
import type { Expiry } from "./registers/expiry.js";
import { listPins, type Pin } from "./registers/pins.js";
import { readSettings, type Settings } from "./registers/settings.js";

/** A view of a store alone reads nothing from bundles. */
const noBundle: NewestBundle = { number: 0, objects: undefined };

export class RepositoryView {
  /** The results so far, by what they are. */
  private readonly known = new Map<string, Promise<unknown>>();

  private constructor(
    /** Nothing can be put to it. The view of a repository asks the store below it for nothing twice. */
    readonly store: ObjectStore,
    readonly log: LogView,
    readonly bundle: NewestBundle,
    /** Id of the repository; undefined in a view of a store alone. */
    readonly repository?: string,
  ) {}

  /**
   * Reads a view of a repository.
   * @param options `whole` lists all objects at once, for callers that need most of them
   */
  static async read(
    { store, description }: Repository,
    options: { whole?: boolean } = {},
  ): Promise<RepositoryView> {
    const remembered = new RememberedStore(store);
    if (options.whole) await remembered.listAll();
    const bundle = await newestBundle({ store: remembered, description });
    remembered.know(bundle.objects ?? new Map());
    const log = await LogView.read(remembered);
    return new RepositoryView(remembered, log, bundle, description.id);
  }

  /** A view of a store that does not change, such as one that was listed once, or one as it would be after a change. */
  static async of(store: ObjectStore): Promise<RepositoryView> {
    return new RepositoryView(store, await LogView.read(store), noBundle);
  }

  /** The same view as it would be if `expiry` were the one that counts. */
  async under(expiry: Expiry): Promise<RepositoryView> {
    const { bundle, log, store } = this;
    return new RepositoryView(store, await LogView.read(store, { earlier: log, expiry }), bundle);
  }

  /** The coverage of everything that was ever watched. */
  coverage(): Promise<Coverage> {
    return this.once("coverage", async () => readCoverage(this.log, await this.bases()));
  }

  /** The bases of all tables. */
  bases(): Promise<BaseInventory> {
    return this.once("bases", () => readBases(this.log));
  }

  /** See newestBase. */
  async newestBase(table: string, instant: Instant): Promise<BaseManifest | undefined> {
    return newestBase(await this.bases(), table, instant);
  }

  /** The catalog as of an instant; the latest if none is given. */
  catalog(instant: Instant = Number.MAX_SAFE_INTEGER): Promise<Catalog> {
    return this.once(`catalog ${instant}`, () => catalogAt(this.log, instant));
  }

  /** See endOfLog. */
  end(): Promise<LogEnd | undefined> {
    return this.once("end", () => endOfLog(this.log));
  }

  settings(): Promise<Settings> {
    return this.once("settings", () => readSettings(this.store));
  }

  pins(): Promise<Pin[]> {
    return this.once("pins", () => listPins(this.store));
  }

  private once<T>(what: string, read: () => Promise<T>): Promise<T> {
    const known = (this.known.get(what) as Promise<T> | undefined) ?? read();
    this.known.set(what, known);
    return known;
  }
}

/**
 * Runs `work` on a view of the repository, and if it meets damage, once more on a second view. An object may be deleted
 * after it was listed and before it is read, because another one stands for it by then; the second view has that one.
 * Real damage shows again.
 */
export async function lookAt<T>(
  repository: Repository,
  work: (view: RepositoryView) => Promise<T>,
): Promise<T> {
  const look = async () => work(await RepositoryView.read(repository));
  try {
    return await look();
  } catch (error) {
    if (!isDamage(error)) throw error;
    return look();
  }
}
