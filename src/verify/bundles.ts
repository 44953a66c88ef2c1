/** Checks that the newest bundle repeats the objects as they are. No reader uses an older bundle. */
import { isDamage } from "../errors.js";
import { listBundles, readBundle } from "../repository/bundle.js";
import { readsAtOnce, severalAtOnce } from "../several-at-once.js";
import type { ListedStore } from "../storage/listed-store.js";
import { ObjectMissing } from "../storage/object-store.js";
import type { Belonging } from "./belonging.js";
import { Findings } from "./findings.js";
import type { Manifests } from "./manifests.js";
import { kindOf } from "./object-kinds.js";

/**
 * Compares what readers would take from the bundle: objects that count and are listed with as many bytes. It MUST be
 * called after the objects themselves were checked: a damaged object does not tell what it was, so it is left out.
 */
export async function checkBundle(
  listed: ListedStore,
  manifests: Manifests,
  belonging: Belonging,
  findings: Findings,
): Promise<void> {
  const name = (await listBundles(listed)).at(-1)?.name;
  if (name === undefined) return;
  const own = new Findings();
  const bundle = await own.during(() => readBundle(listed, name));
  if (!bundle) {
    // One that was deleted since it was listed was replaced.
    if (!(await listed.isGone(name))) findings.addAll(own);
    return;
  }
  belonging.note(name, bundle.repository);
  const taken = [...bundle.objects].filter(
    ([object, { storedBytes }]) =>
      listed.listedSize(object) === storedBytes &&
      counts(object, manifests) &&
      !findings.has(object),
  );
  const comparing = severalAtOnce(taken, readsAtOnce, async ([object, { bytes }]) => {
    const isSame = (await bytesOf(listed, object))?.equals(bytes) ?? true;
    return { object, isSame };
  });
  for await (const { object, isSame } of comparing) {
    if (!isSame) findings.add(name, `its copy of ${object} differs from the object`);
  }
}

function counts(name: string, { folded, bases, referred }: Manifests): boolean {
  const isOfManifest = /^(folded|base)/.test(kindOf(name) ?? "");
  return !isOfManifest || folded.has(name) || bases.has(name) || referred.has(name);
}

/** The bytes of an object; undefined if it was deleted since it was listed, or is a claim that is distrusted. */
async function bytesOf(listed: ListedStore, name: string): Promise<Buffer | undefined> {
  try {
    return await listed.get(name);
  } catch (error) {
    if (error instanceof ObjectMissing || isDamage(error)) return undefined;
    throw error;
  }
}
