/**
 * One run of an operation on live tables: the pin before it, its progress, and how it ends if it is stopped.
 *
 * Invariant: nothing is pinned, and no way back is told, before there is a change that is about to be written.
 */
import { systemClock } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import { formatInstant } from "../instant.js";
import {
  type Extent,
  type OperatedTable,
  type OperationHead,
  type OperationResult,
  operate,
  type WayBack,
} from "../recovery/operation.js";
import { listPins } from "../repository/registers/pins.js";
import type { TableReference } from "../rethinkdb/table-reference.js";
import type { Live } from "./live-asked.js";
import { countsText, deletedText, willDo } from "./live-counts.js";
import { stoppedIf, wayBackText } from "./live-end.js";
import { headResult } from "./live-report.js";
import { counted, formatCount } from "./output.js";
import { pacedTarget } from "./paced-target.js";
import { pinBefore } from "./pin-before.js";
import { ProgressLines, progressBar } from "./progress.js";
import { leftText } from "./restore-progress.js";
import { tellProgress } from "./tell-progress.js";

const dayMs = 86_400_000;
/** A capture of a cluster that is written to proves an instant sooner; one that is idle has nothing new to prove. */
const proofMsMax = 2000;

export class LiveRun {
  readonly progress = new ProgressLines();
  private wayBack: WayBack | undefined;
  private done = 0;
  private of = 0;
  private beganMs = 0;

  constructor(
    private readonly live: Live,
    private readonly head: OperationHead,
    private readonly undoableMs: number,
  ) {}

  /** How long the writing took so far, in seconds; 0 if nothing was to be written. */
  get seconds(): number {
    return this.wayBack === undefined ? 0 : (performance.now() - this.beganMs) / 1000;
  }

  /**
   * Carries the operation out.
   * @param rounds how often the documents of a table are looked at; as often as is useful if not given
   * @param beforeWriting called before anything is pinned or written; what it throws ends the operation
   */
  async carryOut(
    tables: readonly OperatedTable[],
    rounds: number | undefined,
    beforeWriting: (extent: Extent) => Promise<void>,
  ): Promise<OperationResult> {
    const { repository, target, signal, pace } = this.live;
    const observer = {
      planned: (documents: number) => {
        const text = `comparing: ${counted(documents, "document")} to change`;
        this.progress.set("plan", text);
        tellProgress({ share: null, text });
      },
      beforeWriting: async (extent: Extent, touched: readonly TableReference[]) => {
        await beforeWriting(extent);
        const wayBack = await this.pinned(touched);
        this.tellBegin(extent);
        this.of = extent.all.documents;
        this.beganMs = performance.now();
        this.wayBack = wayBack;
        return wayBack;
      },
      written: (done: number) => this.tellDone(done),
    };
    const paced = pacedTarget(target, pace);
    const operating = { repository, target: paced, head: this.head, clock: systemClock, observer };
    try {
      return await operate({ ...operating, signal }, tables, rounds);
    } catch (error) {
      this.progress.clear();
      throw this.endedEarly(error);
    } finally {
      this.progress.clear();
    }
  }

  /** Pins the newest instant before the operation, so that it stays restorable as long as this can be undone. */
  private async pinned(touched: readonly TableReference[]): Promise<WayBack> {
    const { repository, output } = this.live;
    const { id, type } = this.head;
    const name = `before-${type.replaceAll(" ", "-")}-${id}`;
    const now = systemClock.now();
    const until = now + this.undoableMs;
    // A plan that was carried out before has its pin already. Its record stays for a day at least.
    const earlier = (await listPins(repository.store)).find((pin) => pin.name === name);
    if (earlier) {
      const longer = Math.max(earlier.until ?? until, now + dayMs);
      return { pin: name, pinned: earlier.at, until: longer };
    }
    try {
      const request = { name, note: `before ${type} ${id}`, until };
      const { at } = await pinBefore(repository, touched, request, now, output, proofMsMax);
      output.note(
        `thinkback: ${formatInstant(at)} is pinned as ${name} until ${formatInstant(until)}`,
      );
      return { pin: name, pinned: at, until };
    } catch (error) {
      if (!(error instanceof ThinkbackError)) throw error;
      output.note(
        `thinkback: no instant before this could be pinned (${error.message}); what is replaced is recorded all the same`,
      );
      return { until };
    }
  }

  private tellBegin({ tables, all }: Extent): void {
    const { output } = this.live;
    const { type, id } = this.head;
    this.progress.clear();
    const where = tables > 1 ? ` in ${counted(tables, "table")}` : "";
    output.note(`thinkback: ${type} ${id} ${countsText(all, willDo)}${where}`);
    const deleted = deletedText("", all);
    if (deleted !== undefined) output.note(`thinkback: deletes${deleted}`);
  }

  private tellDone(done: number): void {
    this.done = done;
    const share = this.of === 0 ? 1 : done / this.of;
    const left = leftText(share, performance.now() - this.beganMs);
    const counts = `${formatCount(done)} of ${formatCount(this.of)}`;
    this.progress.set("plan", `${progressBar(share)} ${counts}${left}`);
    tellProgress({ share, text: `${counts}${left}` });
  }

  private endedEarly(error: unknown): unknown {
    const { signal, output, args } = this.live;
    const { wayBack, done, of } = this;
    if (!wayBack) return stoppedIf(signal, error);
    const back = `to take back what was written: ${wayBackText(this.head.id, args)}`;
    const counts = `${formatCount(done)} of ${counted(of, "document")} done`;
    const { pin = null, until } = wayBack;
    const result = { ...headResult(this.head), stopped: true, done, documents: of };
    output.result({ ...result, pin, until: formatInstant(until) });
    if (signal.aborted) {
      const hint = `to go on: give the same command again; ${back}`;
      return new ThinkbackError("incomplete", `stopped: ${counts}`, { hint, cause: error });
    }
    if (!(error instanceof ThinkbackError)) {
      output.note(`thinkback: ${counts}; ${back}`);
      return error;
    }
    const hint = `${error.hint === undefined ? "" : `${error.hint}; `}${counts}; ${back}`;
    return new ThinkbackError(error.code, error.message, { hint, cause: error });
  }
}
