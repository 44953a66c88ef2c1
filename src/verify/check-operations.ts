/** Checks the records of operations: that the parts that their manifests name are there and whole. */
import { DataObject } from "../format/data-object.js";
import { operationManifestName, operationsPrefix, parseOperationName } from "../format/names.js";
import { changesOf, type Operation, readOperation } from "../repository/records/operations.js";
import { readsAtOnce, severalAtOnce } from "../several-at-once.js";
import type { ListedStore } from "../storage/listed-store.js";
import type { Findings } from "./findings.js";
import { directoryOf, kindOf } from "./object-kinds.js";

/** @param isWhole true to read the parts to their ends; wants a key that reads documents */
export async function checkOperations(
  store: ListedStore,
  findings: Findings,
  isWhole: boolean,
): Promise<void> {
  for (const name of store.names(operationsPrefix)) {
    const manifest = operationManifestName(directoryOf(name));
    // A round ends after it was begun. One that was killed before its manifest has changed nothing.
    if (kindOf(name) === "operation end" && !(await store.lookFor(manifest))) {
      findings.add(manifest, "it is missing");
    }
  }
  const names = store
    .names(operationsPrefix)
    .filter((name) => parseOperationName(name) && !findings.has(name));
  const checking = severalAtOnce(names, readsAtOnce, async (name) => {
    const operation = await findings.during(() => readOperation(store, name));
    if (operation) await checkParts(store, operation, findings, isWhole);
  });
  for await (const _ of checking);
}

async function checkParts(
  store: ListedStore,
  operation: Operation,
  findings: Findings,
  isWhole: boolean,
): Promise<void> {
  for (const part of operation.parts) {
    const { name, checksum } = part;
    await findings.during(async () => {
      if (!(await store.lookFor(name))) findings.add(name, "it is missing");
      else if (!isWhole) await DataObject.open(store, name, "operation", checksum);
      else for await (const _ of changesOf(store, { ...operation, parts: [part] }));
    });
  }
}
