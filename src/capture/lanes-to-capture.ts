/** Which lanes of a repository are to be captured: those in use, and retired ones that still have tables. */
import type { Clock } from "../clock.js";
import { isDamage } from "../errors.js";
import { hasLeft } from "../format/coverage-record.js";
import type { Repository } from "../format/description.js";
import { knownLane, type Lane, lanesMade } from "../repository/lanes.js";
import { lanesMadeOf, lanesOf, readSettings } from "../repository/registers/settings.js";
import { lookAt } from "../repository/repository-view.js";

/** How often it is looked for lanes that are not used any more, but have tables that nobody captures. */
const retiredEveryMs = 60_000;

export class LanesToCapture {
  /** How many are in use. */
  count = 1;
  /** How many there have ever been. */
  made = 1;
  private settingsMs = Number.NEGATIVE_INFINITY;
  /** Lanes that are no longer used, and have tables that are not in their new lanes yet. */
  private retired: number[] = [];
  private retiredLookMs = Number.NEGATIVE_INFINITY;
  /** Lanes that are no longer used, and in which there is nothing to do until the number of lanes changes. */
  private readonly emptied = new Set<number>();

  constructor(
    private readonly repository: Repository,
    private readonly clock: Clock,
    /** At most so often the settings are read by `look`, in ms. */
    private readonly settingsEveryMs: number,
  ) {}

  get numbers(): number[] {
    const used = Array.from({ length: this.count }, (_, lane) => lane);
    return [
      ...used,
      ...this.retired.filter((lane) => lane >= this.count && !this.emptied.has(lane)),
    ];
  }

  /** Nothing is left to do in a lane that may be retired. */
  noteEmptied(lane: number): void {
    if (lane >= this.count) this.emptied.add(lane);
  }

  lane(number: number): Promise<Lane> {
    return knownLane(this.repository, number);
  }

  /** Reads how many lanes there are. Where the settings are damaged, tables are captured in all that were made. */
  async readFirst(): Promise<void> {
    await this.readSettings().catch(async (error: unknown) => {
      if (!isDamage(error)) throw error;
      this.made = await lanesMade(this.repository.store);
      this.count = this.made;
    });
  }

  async readSettings(): Promise<void> {
    const settings = await readSettings(this.repository.store);
    this.settingsMs = this.clock.monotonicMs();
    if (lanesOf(settings) !== this.count) {
      this.emptied.clear();
      this.retiredLookMs = Number.NEGATIVE_INFINITY;
    }
    this.count = lanesOf(settings);
    this.made = lanesMadeOf(settings);
  }

  /** Reads what may have changed, if it is due. What is damaged is for others to tell: what was known before holds. */
  async look(): Promise<void> {
    const isDue = this.clock.monotonicMs() - this.settingsMs >= this.settingsEveryMs;
    if (isDue) await this.readSettings().catch(ifDamaged);
    await this.lookForRetired().catch(ifDamaged);
  }

  /** Finds the lanes that are not used any more, whose tables would have a gap if nobody captured them. */
  async lookForRetired(): Promise<void> {
    const now = this.clock.monotonicMs();
    if (now - this.retiredLookMs < retiredEveryMs) return;
    this.retiredLookMs = now;
    const retired: number[] = [];
    for (let number = this.count; number < this.made; number += 1) {
      if (this.emptied.has(number)) continue;
      const { tables } = await lookAt(await this.lane(number), (view) => view.coverage());
      if ([...tables.values()].some(({ state }) => !hasLeft(state))) retired.push(number);
      else this.emptied.add(number);
    }
    this.retired = retired;
  }
}

export function ifDamaged(error: unknown): undefined {
  if (!isDamage(error)) throw error;
}
