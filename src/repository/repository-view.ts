/**
 * A repository as it is at one moment. Who looks at one reads a view and hands it on: what is asked of it is read once,
 * and everything computed of it is computed of the same listings. It is no longer true when something was put or deleted.
 */
import type { ThinkbackError } from "../errors.js";
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

/** Of a store alone nothing is read from bundles. */
const noBundle: NewestBundle = { number: 0, objects: undefined };

export class RepositoryView {
  /** What was asked for, by what it is. */
  private readonly known = new Map<string, Promise<unknown>>();

  private constructor(
    /** Of which nothing is asked twice, and to which nothing can be put. */
    readonly store: ObjectStore,
    readonly log: LogView,
    readonly bundle: NewestBundle,
    /** Id of the repository; undefined in a view of a store alone. */
    readonly repository?: string,
  ) {}

  /**
   * Looks at a repository.
   * @param of `whole` lists every object at once: for who needs most of them
   */
  static async read(
    { store, description }: Repository,
    of: { whole?: boolean } = {},
  ): Promise<RepositoryView> {
    const remembered = new RememberedStore(store);
    if (of.whole) await remembered.listAll();
    const bundle = await newestBundle({ store: remembered, description });
    remembered.know(bundle.objects ?? new Map());
    const log = await LogView.read(remembered);
    return new RepositoryView(remembered, log, bundle, description.id);
  }

  /** A view of a store that can be looked at as it stands: as it was listed once, or as it would be. */
  static async of(store: ObjectStore): Promise<RepositoryView> {
    return new RepositoryView(store, await LogView.read(store), noBundle);
  }

  /** The same look, if `expiry` were the one that counts. */
  async under(expiry: Expiry): Promise<RepositoryView> {
    const { bundle, log, store } = this;
    return new RepositoryView(store, await LogView.read(store, { earlier: log, expiry }), bundle);
  }

  /** Of all that was ever watched. */
  coverage(): Promise<Coverage> {
    return this.once("coverage", async () => readCoverage(this.log, await this.bases()));
  }

  /** Of all tables. */
  bases(): Promise<BaseInventory> {
    return this.once("bases", () => readBases(this.log));
  }

  /** See newestBase. */
  async newestBase(table: string, instant: Instant): Promise<BaseManifest | undefined> {
    return newestBase(await this.bases(), table, instant);
  }

  /** The catalog as of an instant; the last one, if none is given. */
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
 * What `work` gives of a view of the repository; if it meets damage, what it gives of a second one. An object may be
 * deleted between being listed and being read, because another stands for it by now: the second view has that one. True
 * damage it meets again.
 */
export async function lookAt<T>(
  repository: Repository,
  work: (view: RepositoryView) => Promise<T>,
): Promise<T> {
  const look = async () => work(await RepositoryView.read(repository));
  try {
    return await look();
  } catch (error) {
    if ((error as Partial<ThinkbackError>).code !== "damaged") throw error;
    return look();
  }
}
