/**
 * A repository as it is at one moment. A command reads one view and passes it on. The view reads each thing once and
 * computes everything from the same listings. It becomes stale when something is put or deleted.
 */
import { isDamage } from "../errors.js";
import type { SystemTable } from "../format/coverage-record.js";
import type { Repository } from "../format/description.js";
import type { Instant } from "../instant.js";
import type { ObjectStore } from "../storage/object-store.js";
import { RememberedStore } from "../storage/remembered-store.js";
import { type BaseInventory, type BaseManifest, newestBase, readBases } from "./bases/base.js";
import { type NewestBundle, newestBundle } from "./bundle.js";
import { type Coverage, readCoverage } from "./coverage/coverage-reader.js";
import { type JoinedCoverage, joinedCoverage } from "./coverage/joined.js";
import { type Lane, lanesIn, nameInWhole } from "./lanes.js";
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
    /** Where registers, pins, drills and holds are: what all lanes have in common. */
    readonly common: ObjectStore = store,
    /** The number of the lane whose log it is. */
    readonly lane: number = 0,
    /** The other lanes, from 1 on; none in the view of one lane. */
    private readonly others: RepositoryView[] = [],
  ) {}

  /**
   * Reads a view of a repository with all its lanes, or of one lane. Coverage and catalog are of all lanes together;
   * `log`, `bases` and `end` are those of the one lane, or of lane 0.
   * @param options `whole` lists all objects at once, for callers that need most of them
   */
  static async read(
    repository: Repository,
    options: { whole?: boolean } = {},
  ): Promise<RepositoryView> {
    const remembered = new RememberedStore(repository.store);
    if (options.whole) await remembered.listAll();
    const { lane } = repository;
    const isOther = lane && lane.root !== repository.store;
    const common = isOther ? new RememberedStore(lane.root) : remembered;
    // It repeats what is read from here on.
    const bundle = await newestBundle({ ...repository, store: remembered });
    remembered.know(bundle.objects ?? new Map());
    const [first, ...others] = await lanesIn({ ...repository, store: remembered });
    const views = await Promise.all(
      others.map((one) => RepositoryView.ofLane(one, new RememberedStore(one.store), common)),
    );
    const store = views.length === 0 ? remembered : new RememberedStore(first!.store);
    return RepositoryView.ofLane(first!, store, common, views, bundle);
  }

  private static async ofLane(
    { description, lane }: Lane,
    store: RememberedStore,
    common: ObjectStore,
    others?: RepositoryView[],
    knownBundle?: NewestBundle,
  ): Promise<RepositoryView> {
    const bundle = knownBundle ?? (await newestBundle({ store, description }));
    store.know(bundle.objects ?? new Map());
    const log = await LogView.read(store).catch((error: unknown) => {
      throw nameInWhole(error, lane.number);
    });
    return new RepositoryView(store, log, bundle, description.id, common, lane.number, others);
  }

  /**
   * A view of a store that does not change, such as one that was listed once, or one as it would be after a change.
   * @param common where registers and pins are, if not there
   */
  static async of(store: ObjectStore, common?: ObjectStore): Promise<RepositoryView> {
    return new RepositoryView(store, await LogView.read(store), noBundle, undefined, common);
  }

  /** The same view as it would be if `expiry` were the one that counts. */
  async under(expiry: Expiry): Promise<RepositoryView> {
    const { bundle, common, log, store } = this;
    const then = await LogView.read(store, { earlier: log, expiry });
    return new RepositoryView(store, then, bundle, undefined, common, this.lane);
  }

  /** Views of each lane alone, lane 0 first. */
  get lanes(): RepositoryView[] {
    return [this, ...this.others];
  }

  /** The coverage of everything that was ever watched, in any lane. */
  coverage(): Promise<Coverage> {
    return this.others.length === 0 ? this.ownCoverage() : this.joined();
  }

  private joined(): Promise<JoinedCoverage> {
    return this.once("joined", async () => joinedCoverage(await this.coverageOfLanes()));
  }

  /**
   * The view of the lane from which a table, the catalog or access is taken at an instant, and the lane's number; this
   * one if no lane knows it.
   */
  async laneOf(table: string, instant: Instant): Promise<{ lane: number; view: RepositoryView }> {
    if (this.others.length === 0) return { lane: 0, view: this };
    const lane = (await this.joined()).laneOf(table, instant) ?? 0;
    return { lane, view: this.lanes[lane]! };
  }

  /** Each lane alone, with the coverage of what was watched in it; lane 0 first. */
  async eachLane(): Promise<{ view: RepositoryView; coverage: Coverage }[]> {
    const coverages = await this.coverageOfLanes();
    return this.lanes.map((view, lane) => ({ view, coverage: coverages[lane]! }));
  }

  private coverageOfLanes(): Promise<Coverage[]> {
    return Promise.all(this.lanes.map((lane) => lane.ownCoverage()));
  }

  private ownCoverage(): Promise<Coverage> {
    return this.once("own coverage", async () => readCoverage(this.log, await this.bases()));
  }

  /** The bases of the lane, or of lane 0. */
  bases(): Promise<BaseInventory> {
    return this.once("bases", () => readBases(this.log));
  }

  /** See newestBase. */
  async newestBase(table: string, instant: Instant): Promise<BaseManifest | undefined> {
    return newestBase(await this.bases(), table, instant);
  }

  /**
   * The catalog as of an instant; the latest if none is given.
   * @param of what the instant was chosen by: of several lanes, the one is read that has this at the instant
   */
  catalog(
    instant: Instant = Number.MAX_SAFE_INTEGER,
    of: SystemTable = "catalog",
  ): Promise<Catalog> {
    return this.once(`${of} ${instant}`, async () => {
      const { view } = await this.laneOf(of, instant);
      return view === this ? catalogAt(this.log, instant) : view.catalog(instant, of);
    });
  }

  /** The last instant in the log of any lane; undefined if nothing was ever written. */
  async lastInstant(): Promise<Instant | undefined> {
    const ends = await Promise.all(this.lanes.map((lane) => lane.end()));
    const instants = ends.flatMap((end) => (end ? [end.to] : []));
    return instants.length > 0 ? Math.max(...instants) : undefined;
  }

  /** See endOfLog. */
  end(): Promise<LogEnd | undefined> {
    return this.once("end", () => endOfLog(this.log));
  }

  settings(): Promise<Settings> {
    return this.once("settings", () => readSettings(this.common));
  }

  pins(): Promise<Pin[]> {
    return this.once("pins", () => listPins(this.common));
  }

  private once<T>(what: string, read: () => Promise<T>): Promise<T> {
    const whole = (error: unknown) => {
      throw nameInWhole(error, this.lane);
    };
    const known = (this.known.get(what) as Promise<T> | undefined) ?? read().catch(whole);
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
