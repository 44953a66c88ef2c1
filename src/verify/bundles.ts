/** Whether the newest bundle repeats the objects as they are. Of those before it nobody reads anything. */
import { listBundles, readBundle } from "../repository/bundle.js";
import { readsAtOnce, severalAtOnce } from "../several-at-once.js";
import type { ListedStore } from "../storage/listed-store.js";
import { ObjectMissing } from "../storage/object-store.js";
import type { Belonging } from "./belonging.js";
import { Findings } from "./findings.js";
import type { Manifests } from "./manifests.js";
import { kindOf } from "./object-kinds.js";

/**
 * Compares what readers would take: what is listed with as many bytes, and counts. To be called when it is known which of
 * the objects themselves are damaged: these tell nothing of what they were.
 */
export async function checkBundle(
  listed: ListedStore,
  manifests: Manifests,
  belonging: Belonging,
  findings: Findings,
): Promise<void> {
  const name = (await listBundles(listed)).at(-1)?.name;
  if (name === undefined) return;
  const here = new Findings();
  const bundle = await here.during(() => readBundle(listed, name));
  if (!bundle) {
    // One that was deleted since it was listed was replaced.
    if (!(await listed.isGone(name))) findings.addAll(here);
    return;
  }
  belonging.note(name, bundle.repository);
  const taken = [...bundle.objects].filter(
    ([of, bytes]) =>
      listed.listedSize(of) === bytes.length && counts(of, manifests) && !findings.has(of),
  );
  const comparing = severalAtOnce(taken, readsAtOnce, async ([of, bytes]) => {
    const isSame = (await bytesOf(listed, of))?.equals(bytes) ?? true;
    return { of, isSame };
  });
  for await (const { of, isSame } of comparing) {
    if (!isSame) findings.add(name, `it does not repeat ${of} as that is`);
  }
}

function counts(name: string, { folded, bases, referred }: Manifests): boolean {
  const isOfManifest = /^(folded|base)/.test(kindOf(name) ?? "");
  return !isOfManifest || folded.has(name) || bases.has(name) || referred.has(name);
}

/** Undefined if it was deleted since it was listed. */
async function bytesOf(listed: ListedStore, name: string): Promise<Buffer | undefined> {
  try {
    return await listed.get(name);
  } catch (error) {
    if (error instanceof ObjectMissing) return undefined;
    throw error;
  }
}
