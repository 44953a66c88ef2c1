/** Follows what maintenance finds: evidence that a change of a table was missed, or that a table is damaged. */
import type { Clock } from "../clock.js";
import { UnusableObject } from "../errors.js";
import type { Repository } from "../format/description.js";
import { damageNow } from "../repository/coverage/coverage.js";
import {
  type DamageEvidence,
  type Evidence,
  evidenceNames,
  isDamageEvidence,
  readEvidence,
} from "../repository/records/evidence.js";
import { idlePaceMs } from "../repository/registers/idle-pace.js";
import { RepositoryView } from "../repository/repository-view.js";

/** How often evidence is listed, unless the store charges for that. */
const pollMs = 15_000;

/** Called with the id of a table that must be opened again, and the reason. */
type OnSuspect = (table: string, reason: string) => void;

/**
 * Reports each piece of evidence that is found until the signal aborts. Evidence that cannot be read is passed over.
 * @param before names of the evidence that the capture began with: a scan resyncs what it tells of
 */
export async function followEvidence(
  repository: Repository,
  before: string[],
  clock: Clock,
  onSuspect: OnSuspect,
  signal: AbortSignal,
): Promise<void> {
  const { store } = repository;
  const known = new Set(before);
  const everyMs = Math.max(pollMs, idlePaceMs(store));
  while (!signal.aborted) {
    // The store may fail for a while; then evidence is read later.
    const names = await evidenceNames(store).catch(() => undefined);
    if (signal.aborted) return;
    for (const name of names ?? []) {
      if (!known.has(name) && (await isTold(repository, name, onSuspect))) known.add(name);
      if (signal.aborted) return;
    }
    await clock.sleep(everyMs, signal).catch(() => undefined);
  }
}

/** Reports one piece of evidence. False if the store fails: then it is tried again. */
async function isTold(
  repository: Repository,
  name: string,
  onSuspect: OnSuspect,
): Promise<boolean> {
  try {
    const evidence = await readEvidence(repository.store, name);
    const reason = await reasonOf(evidence, repository);
    if (reason !== undefined) onSuspect(evidence.table, reason);
    return true;
  } catch (error) {
    return error instanceof UnusableObject;
  }
}

/** Why the table must be opened again; undefined if what was missing has been put back. */
async function reasonOf(
  evidence: Evidence | DamageEvidence,
  repository: Repository,
): Promise<string | undefined> {
  if (!isDamageEvidence(evidence)) return `broken version chain at key ${evidence.key}`;
  const { tables } = await (await RepositoryView.read(repository)).coverage();
  return damageNow(tables.get(evidence.table))?.reason;
}
