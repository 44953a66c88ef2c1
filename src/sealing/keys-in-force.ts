/**
 * The keys that a process goes by while it runs: those of the newest key set that it knows. It looks for newer ones,
 * each verified from the one before, so a change of keys needs no restart.
 *
 * Invariant: nobody waits for a look but who has met a signer that is not known. Break it and a tick waits for a store
 * that does not answer.
 */
import type { Clock } from "../clock.js";
import { isDamage } from "../errors.js";
import { type ObjectStore, StoreForbidden } from "../storage/object-store.js";
import { type Identity, recipientOf } from "./identity.js";
import { type KeySet, mayWrite, nextKeySet, type Role, signersOf } from "./key-set.js";
import type { Readers, ReadingKeys } from "./sealed-object.js";

/** How often a process that reads or writes looks for a newer key set. */
const lookEveryMs = 600_000;
/** After a look for an unknown signer that found nothing, the next such look: damage must not double the requests. */
const vainMs = 10_000;

export class KeysInForce implements ReadingKeys {
  readonly repository: string;
  /** True if one of the identities read documents when the process began. */
  readonly readsDocuments: boolean;
  /** Who may read what is written now. */
  readers!: Readers;
  private set!: KeySet;
  private signers!: Map<string, Role>;
  private looking: Promise<void> | undefined;
  private lookedMs: number;
  private lookedInVainMs = Number.NEGATIVE_INFINITY;

  /** @param store where newer key sets are looked for @param set one that counts */
  constructor(
    private readonly store: Pick<ObjectStore, "get">,
    set: KeySet,
    readonly identities: readonly Identity[],
    private readonly clock: Pick<Clock, "monotonicMs">,
  ) {
    this.repository = set.repository;
    this.take(set);
    this.lookedMs = clock.monotonicMs();
    const readers = new Set(
      set.keys.flatMap(({ role, recipient }) => (role === "reader" ? recipient : [])),
    );
    this.readsDocuments = identities.some(({ public: own }) => readers.has(own.recipient));
  }

  trusts(verify: string, name: string): boolean {
    const role = this.signers.get(verify);
    return role !== undefined && mayWrite(role, name);
  }

  /** Signs an object of that name. Throws StoreForbidden if this process may not write it, or not any more. */
  signerOf(name: string): Identity {
    const roles = new Map(this.set.keys.map(({ verify, role }) => [verify, role]));
    const own = this.identities.filter(({ public: { verify } }) => roles.has(verify));
    const signer = own.find(({ public: { verify } }) => mayWrite(roles.get(verify)!, name));
    if (signer) return signer;
    const [why, hint] =
      own.length > 0
        ? [
            "the repository is sealed, and no key at hand may write this",
            "give the key of a reader: --identity FILE; a writer's key is for capturing alone",
          ]
        : [
            `no key at hand is one of the repository's, as key set ${this.set.number} says: it was removed, or never added`,
            "look at `thinkback key list`, and start again with a key that is there, or that `thinkback key add` has added",
          ];
    throw new StoreForbidden(`writing ${name}: ${why}`, undefined, hint);
  }

  /** Looks for newer key sets in the background, if that was not done for a while. It never throws. */
  lookInTime(): void {
    if (this.clock.monotonicMs() - this.lookedMs < lookEveryMs) return;
    // What fails now is looked for again. A set that does not count, which anybody may put there, changes nothing.
    this.look().catch(() => undefined);
  }

  /**
   * Looks for newer key sets because a signer is not known, unless that was done in vain a moment ago.
   * @throws a StoreError if the store fails; code "damaged" if the next key set does not count
   */
  async lookForSigner(): Promise<void> {
    if (this.clock.monotonicMs() - this.lookedInVainMs < vainMs) return;
    const { number } = this.set;
    const inVain = () => {
      if (this.set.number === number) this.lookedInVainMs = this.clock.monotonicMs();
    };
    try {
      await this.look();
      inVain();
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
    const recipients = (isWanted: (role: Role) => boolean) =>
      set.keys.filter(({ role }) => isWanted(role)).map(({ recipient }) => recipientOf(recipient));
    this.readers = {
      documents: recipients((role) => role === "reader"),
      structure: recipients(() => true),
    };
    this.signers = signersOf(set);
    this.set = set;
  }
}
