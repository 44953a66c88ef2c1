/**
 * The tokens that count, as the repository has them.
 *
 * Invariant: a token that was revoked is refused once the set was read again, and a set that is too old answers nobody:
 * a store that is away must not keep a revoked token alive.
 */
import { timingSafeEqual } from "node:crypto";
import { type Clock, withTimeout } from "../clock.js";
import { UnusableObject } from "../errors.js";
import {
  type ApiToken,
  hashOf,
  isInForce,
  listTokenNames,
  parseTokenText,
  readToken,
} from "../repository/registers/tokens.js";
import type { ObjectStore } from "../storage/object-store.js";
import { Refusal } from "./problem.js";
import type { Caller } from "./rights.js";

/** How old the set may be before it is read again: a listing, and a read of each object that is new. */
const ageMsMax = 3000;
const ageChargedMsMax = 10_000;
/**
 * The set is read this often at most. An unknown token waits for the next reading, which all share who wait: it may be
 * new, and anybody may send one.
 */
const readEveryMs = 1000;
/** While the store cannot be read, the last set counts for so long. */
const unreadMsMax = 30_000;
/** How long a request waits for the tokens. */
const waitMsMax = 5000;

export class TokenSet {
  private readonly byName = new Map<string, ApiToken>();
  private current = new Map<string, ApiToken>();
  /** When the reading began that the set is of; and the last one, whatever became of it. */
  private readAt: number | undefined;
  private triedAt: number | undefined;
  private reading: Promise<void> | undefined;
  private nextReading: Promise<void> | undefined;

  constructor(
    private readonly store: ObjectStore,
    private readonly clock: Clock,
    /** Of this process only, and stored nowhere. */
    private readonly own?: ApiToken | undefined,
  ) {}

  /** True if a token could be checked now. */
  async isUsable(): Promise<boolean> {
    await this.refresh(this.store.chargesRequests ? ageChargedMsMax : ageMsMax);
    return this.ageMs() <= unreadMsMax;
  }

  /** Whose token it is; undefined if it does not count. Throws a Refusal if that cannot be known now. */
  async callerOf(text: string): Promise<Caller | undefined> {
    const parsed = parseTokenText(text);
    if (!parsed) return undefined;
    if (parsed.id === this.own?.id) return callerBy(this.own, parsed.secret, this.clock);
    const asked = this.clock.monotonicMs();
    if (!(await this.isUsable())) throw unreadable();
    if (!this.current.has(parsed.id)) await this.readSince(asked);
    return callerBy(this.current.get(parsed.id), parsed.secret, this.clock);
  }

  /** True if the token of a caller counts still; false also if that cannot be known now. */
  async counts({ id }: Caller): Promise<boolean> {
    if (id === this.own?.id) return true;
    if (!(await this.isUsable())) return false;
    const token = this.current.get(id);
    return token !== undefined && isInForce(token, this.clock.now());
  }

  private ageMs(): number {
    return this.sinceMs(this.readAt);
  }

  private sinceMs(began: number | undefined): number {
    return began === undefined ? Number.POSITIVE_INFINITY : this.clock.monotonicMs() - began;
  }

  /** Reads the set again if it is older than this, and that was not tried a moment ago. Does not throw. */
  private async refresh(olderThanMs: number): Promise<void> {
    if (this.ageMs() <= olderThanMs) return;
    if (!this.reading && this.sinceMs(this.triedAt) < readEveryMs) return;
    await this.atMost(this.begin());
  }

  /** Waits for a reading that has begun since then. Throws a Refusal if it fails. */
  private async readSince(asked: number): Promise<void> {
    const isRead = () => this.readAt !== undefined && this.readAt >= asked;
    if (isRead()) return;
    this.nextReading ??= this.readWhenDue();
    await this.atMost(this.nextReading);
    if (!isRead()) throw unreadable();
  }

  private async readWhenDue(): Promise<void> {
    const dueInMs = () => Math.max(0, readEveryMs - this.sinceMs(this.triedAt));
    // The reading under way may have listed what there was before.
    do await (this.reading ?? this.clock.sleep(dueInMs()));
    while (this.reading || dueInMs() > 0);
    this.nextReading = undefined;
    await this.begin();
  }

  /** The reading under way, or one that begins now. Does not reject. */
  private begin(): Promise<void> {
    this.reading ??= this.read()
      .catch(() => undefined)
      .finally(() => (this.reading = undefined));
    return this.reading;
  }

  /** Waits for a reading, but not for a store that takes long to fail. Does not throw. */
  private async atMost(reading: Promise<void>): Promise<void> {
    const slow = () => new Error("still reading");
    await withTimeout(this.clock, waitMsMax, reading, slow).catch(() => undefined);
  }

  /** The token in an object; undefined if the object is damaged, so that it is refused and all others count. */
  private async readIfSound(name: string): Promise<ApiToken | undefined> {
    try {
      return await readToken(this.store, name);
    } catch (error) {
      if (error instanceof UnusableObject) return undefined;
      throw error;
    }
  }

  private async read(): Promise<void> {
    const began = this.clock.monotonicMs();
    this.triedAt = began;
    const names = await listTokenNames(this.store);
    const current = new Map<string, ApiToken>();
    for (const [id, name] of names) {
      // Objects never change: what was read once is not read again.
      const token = this.byName.get(name) ?? (await this.readIfSound(name));
      if (!token) continue;
      this.byName.set(name, token);
      current.set(id, token);
    }
    this.current = current;
    this.readAt = began;
  }
}

function callerBy(token: ApiToken | undefined, secret: string, clock: Clock): Caller | undefined {
  // An unknown id takes as long as a wrong secret.
  const isRight = isSame(token?.hash ?? hashOf(""), hashOf(secret));
  if (!token || !isRight || !isInForce(token, clock.now())) return undefined;
  const { id, name, role, expiresAt } = token;
  return { id, name, role, expiresAt };
}
const unreadable = () => new Refusal("unavailable", "tokens cannot be read now");

function isSame(a: string, b: string): boolean {
  return timingSafeEqual(Buffer.from(a, "hex"), Buffer.from(b, "hex"));
}
