/**
 * One recovery as it stands, and as it goes on: read once, and then followed by its stream of events. The stream is
 * closed with the page. Where the server has no room for another stream, it is asked every few seconds.
 */
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import type { Recovery, RecoveryEvent } from "../app/answers.js";
import { ask, Problem } from "../app/ask.js";
import { readEvents } from "../app/event-stream.js";
import { signedIn, tokenRefused } from "../app/session.js";
import { useShared } from "../app/store.js";

/** How long after a lost connection the next one is tried. */
const retryMs = 1000;
/** How often a recovery is asked for of which no stream can be had. */
const askMs = 3000;
/** The server says every 15 s that it is there. */
const silentMsMax = 40_000;

export interface Followed {
  recovery: Recovery | undefined;
  /** Why what is shown may be old. */
  problem: Problem | undefined;
  /** Takes what the server has answered to a change. */
  take: (recovery: Recovery) => void;
}

export function useRecovery(id: string): Followed {
  const who = useShared(signedIn);
  const token = who.state === "in" ? who.token : undefined;
  const [recovery, setRecovery] = useState<Recovery>();
  const [problem, setProblem] = useState<Problem>();
  const newest = useRef<Recovery | undefined>(undefined);
  const take = useCallback((found: Recovery) => {
    const known = newest.current;
    if (known?.id === found.id && known.number > found.number) return;
    newest.current = found;
    setRecovery(found);
  }, []);
  useEffect(() => {
    if (token === undefined) return undefined;
    const gone = new AbortController();
    const following = new Following(id, token, gone.signal, take, setProblem);
    void following.run(() => newest.current);
    return () => gone.abort();
  }, [id, token, take]);
  return { recovery: recovery?.id === id ? recovery : undefined, problem, take };
}

/** True if nothing more will become of it. The process of one that was cancelled still says what it has left. */
export const isEnded = ({ state, worker }: Pick<Recovery, "state" | "worker">): boolean =>
  ["done", "failed", "cancelled"].includes(state) && worker === undefined;

class Following {
  /** Number of the last event that was heard of. */
  private heard = 0;
  /** Ends the stream, so that the recovery is asked for. */
  private end = new AbortController();

  constructor(
    private readonly id: string,
    private readonly token: string,
    private readonly signal: AbortSignal,
    private readonly take: (recovery: Recovery) => void,
    private readonly tell: (problem: Problem | undefined) => void,
  ) {}

  private get path(): string {
    return `/v1/recoveries/${this.id}`;
  }

  /** Never rejects. */
  async run(newest: () => Recovery | undefined): Promise<void> {
    let isToAsk = true;
    while (!this.signal.aborted) {
      try {
        if (isToAsk) await this.look();
        isToAsk = false;
        const known = newest();
        if (!known || isEnded(known)) return;
        // Nothing more comes, so what has come last was not heard of.
        if (!(await this.listen(known, newest))) isToAsk = true;
      } catch (error) {
        if (this.signal.aborted) return;
        isToAsk = true;
        const waitMs = this.after(error);
        if (waitMs === undefined) return;
        await new Promise((resolve) => setTimeout(resolve, waitMs));
      }
    }
  }

  /** How long to wait after an error, in ms; undefined if asking again does not help. */
  private after(error: unknown): number | undefined {
    if (error instanceof Problem) {
      const { status } = error;
      if (status !== 401) this.tell(status === 0 ? away : error);
      if (status === 0) return retryMs;
      return status >= 500 || status === 429 ? askMs : undefined;
    }
    const { cause } = error as Error;
    if (cause === 401) {
      tokenRefused(this.token);
      return undefined;
    }
    // There is no room for the stream: what is asked for is shown all the same.
    if (cause === 429 || cause === 503) return askMs;
    this.tell(away);
    return retryMs;
  }

  private async look(): Promise<void> {
    const found = await ask<Recovery>(this.path, { signal: this.signal });
    this.take(found);
    this.tell(undefined);
  }

  /** Follows the stream to its end. Returns false if the server says that there is nothing more. */
  private async listen(from: Recovery, newest: () => Recovery | undefined): Promise<boolean> {
    this.end = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const alive = () => {
      clearTimeout(timer);
      timer = setTimeout(() => this.end.abort(new Error("the server is silent")), silentMsMax);
    };
    alive();
    const signal = AbortSignal.any([this.signal, this.end.signal]);
    const onEvent = ({ data }: { data: string }) => {
      this.tell(undefined);
      this.hear(JSON.parse(data) as RecoveryEvent, newest());
    };
    try {
      const path = `${this.path}/events`;
      const last = String(Math.max(from.number, this.heard));
      return await readEvents(path, this.token, last, signal, onEvent, alive);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Only progress is in the event itself; who has approved or works on it is asked for. */
  private hear(event: RecoveryEvent, known: Recovery | undefined): void {
    this.heard = Math.max(this.heard, event.number);
    if (!known || event.number <= known.number) return;
    const { number, at, state, waitsFor = [], progress } = event;
    const isSame =
      state === known.state &&
      state === "running" &&
      known.worker !== undefined &&
      progress !== undefined &&
      event.error === undefined;
    if (isSame) this.take({ ...known, number, changedAt: at, waitsFor, progress });
    else void this.look().catch((error: unknown) => this.end.abort(error));
  }
}

const away = new Problem(
  0,
  "away",
  "The server does not answer.",
  "What is shown may be old. It is asked again every second.",
);
