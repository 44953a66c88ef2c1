/** Checks the plans of recoveries that may still be carried out: that their parts are there and whole. */
import { DataObject } from "../format/data-object.js";
import { parseRecoveryName, recoveriesPrefix } from "../format/names.js";
import { isOver } from "../recoveries/changes.js";
import { readEvent, type StoredPlan } from "../recoveries/events.js";
import type { ListedStore } from "../storage/listed-store.js";
import type { Findings } from "./findings.js";

/** @param isWhole true to read the parts to their ends; wants a key that reads documents */
export async function checkRecoveries(
  store: ListedStore,
  findings: Findings,
  isWhole: boolean,
): Promise<void> {
  const last = new Map<string, number>();
  for (const name of store.names(recoveriesPrefix)) {
    const named = parseRecoveryName(name);
    if (named) last.set(named.id, Math.max(named.number, last.get(named.id) ?? 0));
  }
  for (const [id, number] of last) {
    // An event that is damaged is found by itself.
    const plan = await planOf(store, id, number).catch(() => undefined);
    for (const part of plan?.parts ?? []) {
      await findings.during(() => checkPart(store, part, findings, isWhole));
    }
  }
}

async function planOf(
  store: ListedStore,
  id: string,
  number: number,
): Promise<StoredPlan | undefined> {
  const { state, plan, planIn } = await readEvent(store, id, number);
  if (isOver(state)) return undefined;
  return plan ?? (planIn === undefined ? undefined : (await readEvent(store, id, planIn)).plan);
}

async function checkPart(
  store: ListedStore,
  { name, checksum }: StoredPlan["parts"][number],
  findings: Findings,
  isWhole: boolean,
): Promise<void> {
  if (!(await store.lookFor(name))) {
    findings.add(name, "it is missing");
    return;
  }
  const object = await DataObject.open(store, name, "plan", checksum);
  if (isWhole) for await (const _ of object.readFrames(object.index.frames));
}
