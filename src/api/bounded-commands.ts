/** Runs commands for the API: few at once, each for a bounded time, and cheap ones once for all who ask together. */
import { abortWith } from "../abort.js";
import type { Clock } from "../clock.js";
import type { PrintedCommands } from "../commands.js";
import { Refusal } from "./problem.js";
import type { Caller } from "./rights.js";

/** Each is a process; two leave the capture its share of a small machine. */
const atOnceMax = 2;
const waitingMax = 16;
/** So many of one token run or wait, so that one caller does not take all places. */
const ofOneMax = 4;
/** How long a command may run. */
const runMsMax = 120_000;
/** Larger results are refused: they would be in this process's memory. */
const printedBytesMax = 32 * 1024 * 1024;
/** How long a result is given to others who ask for the same, unless it is said otherwise. */
const sharedMs = 3000;

interface Bounds {
  signal: AbortSignal;
  printedBytesMax: number;
}

const objectIn = (printed: Buffer) => JSON.parse(printed.toString()) as object;

interface Shared {
  result: Promise<object>;
  /** Until when it is given to others; undefined while it runs. */
  untilMs: number | undefined;
}

export class BoundedCommands {
  private running = 0;
  private readonly waiting: (() => void)[] = [];
  private readonly ofCallers = new Map<string, number>();
  private readonly shared = new Map<string, Shared>();

  /** @param ending aborts when the process is to end; so does the signal of each caller */
  constructor(
    private readonly commands: PrintedCommands,
    private readonly clock: Clock,
    private readonly ending: AbortSignal,
  ) {}

  /**
   * What a command prints, for one caller. Rejects with a Refusal if there is too much to do.
   * @param environment of the command, beside this process's own
   */
  print(
    args: readonly string[],
    caller: Caller,
    signal: AbortSignal,
    environment: Record<string, string> = {},
  ): Promise<Buffer> {
    const run = (bounds: Bounds) => this.commands.print(args, { ...bounds, environment });
    return this.inTurn(run, signal, caller.id);
  }

  /** The same as an object. */
  async result(...asked: Parameters<BoundedCommands["print"]>): Promise<object> {
    return objectIn(await this.print(...asked));
  }

  /** The result of a command that everybody may share: it may be so old. */
  async sharedResult(args: readonly string[], forMs = sharedMs): Promise<object> {
    const key = args.join("\0");
    this.forgetOld();
    const known = this.shared.get(key);
    if (known) return known.result;
    // It goes on when the one who asked first goes away: others may wait for it.
    const run = (bounds: Bounds) => this.commands.print(args, bounds);
    const printed = this.inTurn(run, this.ending);
    const made: Shared = { result: printed.then(objectIn), untilMs: undefined };
    this.shared.set(key, made);
    try {
      const result = await made.result;
      made.untilMs = this.clock.monotonicMs() + forMs;
      return result;
    } catch (error) {
      if (this.shared.get(key) === made) this.shared.delete(key);
      throw error;
    }
  }

  /** After a change: whoever asks from now on is told of it. */
  forgetShared(): void {
    this.shared.clear();
  }

  private forgetOld(): void {
    const now = this.clock.monotonicMs();
    for (const [key, { untilMs }] of this.shared) {
      if (untilMs !== undefined && now > untilMs) this.shared.delete(key);
    }
  }

  /** @param caller whose place it takes; undefined for what all share */
  private async inTurn<T>(
    run: (bounds: Bounds) => Promise<T>,
    signal: AbortSignal,
    caller?: string,
  ): Promise<T> {
    if (this.running >= atOnceMax && this.waiting.length >= waitingMax) {
      throw new Refusal("busy", `${waitingMax} requests wait already`);
    }
    const leave = caller === undefined ? () => undefined : this.enter(caller);
    try {
      await this.turn(signal);
      return await this.bounded(run, signal).finally(() => this.next());
    } finally {
      leave();
    }
  }

  /** Takes one of a caller's places; returns what gives it back. */
  private enter(caller: string): () => void {
    const taken = this.ofCallers.get(caller) ?? 0;
    if (taken >= ofOneMax) {
      throw new Refusal("too-many", `this token has ${ofOneMax} requests under way already`);
    }
    this.ofCallers.set(caller, taken + 1);
    return () => {
      const left = this.ofCallers.get(caller)! - 1;
      if (left === 0) this.ofCallers.delete(caller);
      else this.ofCallers.set(caller, left);
    };
  }

  /** Resolves when the caller may run something; then it MUST call `next` at its end. */
  private turn(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.running < atOnceMax) {
      this.running += 1;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const onTurn = () => {
        signal.removeEventListener("abort", onAbort);
        resolve();
      };
      const onAbort = () => {
        this.waiting.splice(this.waiting.indexOf(onTurn), 1);
        reject(signal.reason as Error);
      };
      signal.addEventListener("abort", onAbort, { once: true });
      this.waiting.push(onTurn);
    });
  }

  /** Gives the place to the next who waits. */
  private next(): void {
    const first = this.waiting.shift();
    if (first) first();
    else this.running -= 1;
  }

  private async bounded<T>(run: (bounds: Bounds) => Promise<T>, signal: AbortSignal): Promise<T> {
    const timer = new AbortController();
    const over = new AbortController();
    const tooSlow = new Refusal(
      "too-slow",
      `it took more than ${runMsMax / 1000} s`,
      "ask for less",
    );
    const forget = abortWith(signal, over);
    this.clock.sleep(runMsMax, timer.signal).then(
      () => over.abort(tooSlow),
      () => undefined,
    );
    try {
      return await run({ signal: over.signal, printedBytesMax });
    } catch (error) {
      throw over.signal.reason === tooSlow ? tooSlow : error;
    } finally {
      forget();
      timer.abort(new Error("it has ended"));
    }
  }
}
