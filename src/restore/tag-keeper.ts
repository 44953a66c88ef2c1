/**
 * Looks after the tags of the tables that are being restored: a reconfiguration drops a table's write hook, and with it
 * the tag, and nothing says so. What was dropped is put back.
 *
 * Invariant: a table that is not whole is without its tag for little more than a second; and a table is named as whole
 * in the tag of the plan's last table before it loses its own. So of a table that has lost its tag it is known that it
 * is not whole. Break it, and a restore that goes on leaves a half-filled table as it is.
 */
import { type Clock, withTimeout } from "../clock.js";
import type { TableName, Target } from "../rethinkdb/target.js";
import type { RestorePlan } from "./plan.js";
import { type Begun, refusalOf, type Tag, tagOf } from "./tag.js";

/** How long between two looks: so long a table may lack its tag. Each look reads the configuration of all tables. */
const lookMs = 1000;

/** A restore may end because a table is just being reconfigured: so long, and so far apart, the last look is tried. */
const endMsMax = 5000;
const pauseMs = 500;

export class TagKeeper {
  private readonly stopped = new AbortController();
  private readonly tags = new Map<string, { to: TableName; tag: Tag }>();
  private readonly last: string;
  /** One after the other: none puts back a tag that is just taken away. */
  private turn: Promise<unknown> = Promise.resolve();
  private readonly looking: Promise<void>;
  private isGivenUp = false;

  /** @param begun every table of the plan is made */
  constructor(
    { tables, instant }: RestorePlan,
    private readonly target: Target,
    { identity, made, whole }: Begun,
    private readonly clock: Clock,
  ) {
    const ids = tables.map(({ to }) => made.get(`${to.db}.${to.name}`)!);
    this.last = ids.at(-1)!;
    for (const [i, { to }] of tables.entries()) {
      if (whole.has(`${to.db}.${to.name}`)) continue;
      this.tags.set(ids[i]!, { to, tag: { ...identity, at: instant } });
    }
    const { tag } = this.tags.get(this.last)!;
    tag.others = ids.slice(0, -1);
    tag.whole = tag.others.filter((id) => !this.tags.has(id));
    this.looking = this.look();
  }

  /** Puts back the tags that are missing. */
  restoreLost(): Promise<void> {
    return this.inTurn(async () => {
      for (const { id, db, name, write_hook: hook } of await this.target.tables()) {
        const kept = this.tags.get(id);
        // Under the name that it has now: another table may have the one that it was made under.
        if (kept && !tagOf(hook)) await this.target.refuseWrites({ db, name }, refusalOf(kept.tag));
      }
    });
  }

  /** Notes on the target that a table is whole, and looks after its tag no more: the caller takes it away. */
  release(id: string): Promise<void> {
    return this.inTurn(async () => {
      this.tags.delete(id);
      const last = this.tags.get(this.last);
      if (!last) return;
      last.tag.whole!.push(id);
      await this.patiently(() => this.target.refuseWrites(last.to, refusalOf(last.tag)));
    });
  }

  /** A table that is just being reconfigured may not take its tag: tries for some seconds, then rejects. */
  private async patiently(act: () => Promise<void>): Promise<void> {
    const beganMs = this.clock.monotonicMs();
    for (;;) {
      try {
        await act();
        return;
      } catch (error) {
        if (this.isGivenUp || this.clock.monotonicMs() - beganMs > endMsMax) throw error;
      }
      await this.clock.sleep(pauseMs);
    }
  }

  /**
   * Resolves when every table that is not whole has its tag, and nothing is changed any more; or after some seconds, if
   * the target does not answer.
   */
  async end(): Promise<void> {
    this.stopped.abort();
    const overdue = () => new Error("the target does not answer");
    await withTimeout(this.clock, endMsMax, this.lastLook(), overdue).catch(() => undefined);
    this.isGivenUp = true;
  }

  private async lastLook(): Promise<void> {
    await this.looking;
    await this.turn;
    while (this.tags.size > 0 && !this.isGivenUp) {
      const hasLooked = await this.restoreLost().then(
        () => true,
        () => false,
      );
      if (hasLooked) return;
      await this.clock.sleep(pauseMs);
    }
  }

  private async look(): Promise<void> {
    const { signal } = this.stopped;
    while (!signal.aborted) {
      await this.clock.sleep(lookMs, signal).catch(() => undefined);
      // A table that is just being reconfigured may not take it: the next look tries again.
      if (!signal.aborted) await this.restoreLost().catch(() => undefined);
    }
  }

  private inTurn<T>(act: () => Promise<T>): Promise<T> {
    const result = this.turn.then(act);
    this.turn = result.catch(() => undefined);
    return result;
  }
}
