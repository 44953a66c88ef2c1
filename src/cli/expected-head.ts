import { damaged } from "../errors.js";
import type { Repository } from "../format/description.js";
import { lanesIn } from "../repository/lanes.js";
import { expectHead, parseHeads } from "../repository/log/head.js";
import { LogView } from "../repository/log/log-view.js";
import { openRepository } from "../repository/repository.js";
import { expectKeys } from "../sealing/keys-head.js";
import type { ObjectStore } from "../storage/object-store.js";

/**
 * Throws, with code "damaged", unless the log of each lane has the head that is expected, or goes on after it, and the
 * key set that is expected is there.
 */
export async function refuseCutOff(
  repository: Repository,
  text: string | undefined,
): Promise<void> {
  if (text === undefined) return;
  const { logs, keys } = parseHeads(text);
  if (keys) await expectKeys(repository.store.sealing?.below, keys);
  const lanes = await lanesIn(repository);
  for (const head of logs) {
    const lane = lanes[head.lane];
    if (!lane) throw damaged(`lanes/${head.lane}`, "the repository has no such lane any more");
    await expectHead(await LogView.read(lane.store), head);
  }
}

/** The same for the repository in a store. */
export async function refuseCutOffAt(store: ObjectStore, text: string | undefined): Promise<void> {
  if (text === undefined) return;
  parseHeads(text);
  await refuseCutOff(await openRepository(store), text);
}
