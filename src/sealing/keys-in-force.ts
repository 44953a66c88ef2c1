/**
 * The keys that a process goes by while it runs: those of the newest key set that it knows. It looks for newer ones,
 * each verified from the one before, so a change of keys needs no restart. With each it opens the groups' identities.
 *
 * Invariant: nobody waits for a look but who has met a signer or an identity that is not known, or claims an epoch, or
 * was shut out of his. Break it and a tick waits for a store that does not answer.
 */
import type { Clock } from "../clock.js";
import { isDamage } from "../errors.js";
import { type ObjectStore, StoreForbidden } from "../storage/object-store.js";
import type { AgeIdentity, AgeRecipient } from "./age.js";
import { type Identity, recipientOf } from "./identity.js";
import { type KeySet, mayWrite, nextKeySet, openGroups, type Role, signersOf } from "./key-set.js";
import type { Readers, ReadingKeys } from "./sealed-object.js";

/** How often a process that reads or writes looks for a newer key set. */
const lookEveryMs = 600_000;
/** After a look for what is not known that found nothing, the next such look: damage must not double the requests. */
const vainMs = 10_000;

export class KeysInForce implements ReadingKeys {
  readonly repository: string;
  /** True if one of the keys at hand read documents when the process began. */
  readonly readsDocuments: boolean;
  /** The groups that what is written now is sealed for. */
  recipients!: Readers<AgeRecipient>;
  /** The identities of the groups, as far as the keys at hand open them, or did before they were removed. */
  identities: Readers<readonly AgeIdentity[]> = { documents: [], structure: [] };
  private set!: KeySet;
  private signers!: Map<string, Role>;
  private looking: Promise<void> | undefined;
  private lookedMs: number;
  private lookedInVainMs = Number.NEGATIVE_INFINITY;

  /** @param store where newer key sets are looked for @param set one that counts @param own the keys at hand */
  constructor(
    private readonly store: Pick<ObjectStore, "get">,
    set: KeySet,
    private readonly own: readonly Identity[],
    private readonly clock: Pick<Clock, "monotonicMs">,
  ) {
    this.repository = set.repository;
    this.take(set);
    this.lookedMs = clock.monotonicMs();
    this.readsDocuments = this.identities.documents.length > 0;
  }

  trusts(verify: string, name: string): boolean {
    const role = this.signers.get(verify);
    return role !== undefined && mayWrite(role, name);
  }

  /** Signs an object of that name. Throws StoreForbidden if this process may not write it, or not any more. */
  signerOf(name: string): Identity {
    const roles = new Map(this.set.keys.map(({ verify, role }) => [verify, role]));
    const signer = this.own.find(({ public: { verify } }) => {
      const role = roles.get(verify);
      return role !== undefined && mayWrite(role, name);
    });
    if (signer) return signer;
    this.refuseStranger(`writing ${name}`);
    throw new StoreForbidden(
      `writing ${name}: the repository is sealed, and no key at hand may write this`,
      undefined,
      "give the key of a reader: --identity FILE; a writer's key is for capturing alone",
    );
  }

  /** Throws StoreForbidden, with what to do, if no key at hand is one of the repository's. */
  refuseStranger(doing: string, cause?: unknown): void {
    const recipients = new Set(this.set.keys.map(({ recipient }) => recipient));
    if (this.own.some(({ public: { recipient } }) => recipients.has(recipient))) return;
    throw new StoreForbidden(
      `${doing}: no key at hand is one of the repository's, as key set ${this.set.number} says: it was removed, or never added`,
      cause,
      "look at `thinkback key list`, and start again with a key that is there, or that `thinkback key add` has added",
    );
  }

  /**
   * Looks for newer key sets at once. One that does not count is none.
   * @throws StoreForbidden if no key at hand is one of the repository's any more; a StoreError if the store fails
   */
  async renew(doing: string): Promise<void> {
    await this.look().catch((error: unknown) => {
      if (!isDamage(error)) throw error;
    });
    this.refuseStranger(doing);
  }

  /** Looks for newer key sets in the background, if that was not done for a while. It never throws. */
  lookInTime(): void {
    if (this.clock.monotonicMs() - this.lookedMs < lookEveryMs) return;
    // What fails now is looked for again. A set that does not count, which anybody may put there, changes nothing.
    this.look().catch(() => undefined);
  }

  /**
   * Looks for newer key sets because a signer or an identity is not known, unless that was done in vain a moment ago.
   * @returns true if there was one
   * @throws a StoreError if the store fails; code "damaged" if the next key set does not count
   */
  async lookForNewer(): Promise<boolean> {
    if (this.clock.monotonicMs() - this.lookedInVainMs < vainMs) return false;
    const { number } = this.set;
    const inVain = () => {
      if (this.set.number === number) this.lookedInVainMs = this.clock.monotonicMs();
    };
    try {
      await this.look();
      inVain();
      return this.set.number > number;
    } catch (error) {
      if (isDamage(error)) inVain();
      throw error;
    }
  }

  private look(): Promise<void> {
    this.lookedMs = this.clock.monotonicMs();
    this.looking ??= this.takeNewer().finally(() => {
      this.looking = undefined;
    });
    return this.looking;
  }

  private async takeNewer(): Promise<void> {
    for (;;) {
      const next = await nextKeySet(this.store, this.set);
      if (!next) return;
      this.take(next);
    }
  }

  private take(set: KeySet): void {
    const { readers, everybody } = openGroups(set, this.own);
    this.identities = {
      documents: readers ?? this.identities.documents,
      structure: everybody ?? this.identities.structure,
    };
    this.recipients = {
      documents: recipientOf(set.groups.readers.recipient),
      structure: recipientOf(set.groups.everybody.recipient),
    };
    this.signers = signersOf(set);
    this.set = set;
  }
}
