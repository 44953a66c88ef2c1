/** Objects of the world to be damaged, by what they are in it. */
import { parseManifestName, parseSegmentName } from "../../src/format/names.js";
import { readManifest } from "../../src/repository/bases/base.js";
import { LogView } from "../../src/repository/log/log-view.js";
import { directoryOf } from "../../src/verify/object-kinds.js";
import { namesIn } from "../repository/recording.js";
import { orders, posts, type World } from "./world.js";

/** Names by a text that says what each is. */
export type ChosenObjects = Map<string, string>;

export async function chooseObjects({ store }: World): Promise<ChosenObjects> {
  const chosen: ChosenObjects = new Map();
  const names = await namesIn(store);
  const view = await LogView.read(store);
  const singles = view.pieces.filter(({ kind }) => kind === "segment").map(({ name }) => name);
  chosen.set("segment, first of its epoch", singles[0]!);
  chosen.set("segment, in the middle", singles[3]!);
  chosen.set("segment, the newest", singles.at(-1)!);
  const replaced = view.believed.segments.find(({ epoch }) => epoch === 3)!;
  chosen.set("segment, folded", replaced.name);

  const folded = view.pieces.filter((piece) => piece.kind === "folded");
  const alone = folded.find(({ manifest }) => manifest.resolutionMs > 1)!;
  const held = folded.find(({ first }) => first.epoch === 3)!;
  const smaller = view.believed.folded.find(
    ({ name, first }) => first.epoch === 3 && name !== held.name,
  )!;
  const ofFolded = (what: string, manifest: string) => {
    chosen.set(`folded manifest, ${what}`, manifest);
    for (const part of [orders, posts, "catalog", "coverage"]) {
      const name = `${directoryOf(manifest)}${part}-000000.zst`;
      const kind = part.length > 10 ? "part" : part;
      if (names.includes(name) && part !== posts) chosen.set(`folded ${kind}, ${what}`, name);
    }
  };
  ofFolded("nothing else holds it", alone.name);
  ofFolded("others hold it", held.name);
  chosen.set("folded manifest, replaced", smaller.name);

  const bases = names.map(parseManifestName).filter((said) => said !== undefined);
  const base = async (what: string, table: string, unique: RegExp) => {
    const { name } = bases.find((one) => one.table === table && unique.test(one.name))!;
    const { parts } = await readManifest(store, name);
    chosen.set(`base manifest, ${what}`, name);
    chosen.set(`base part, ${what}`, parts[0]!.name);
    chosen.set(`base keys, ${what}`, parts.at(-1)!.keys.name);
  };
  await base("copied", posts, /-4c1\//);
  await base("folded", orders, /-f3\//);
  await base("the first", orders, /-m2x\//);

  for (const epoch of [2, 4]) chosen.set(`claim ${epoch}`, `writers/0000000${epoch}.json`);
  const small = {
    evidence: "evidence/",
    acknowledgement: "acknowledged/",
    drill: "drills/",
    mark: "marks/",
    verification: "verifications/",
    "audit entry": "audit/",
    "token, the last": "tokens/",
    repository: "repository.json",
    "hold, the last": "holds/",
    wish: "handovers/00000001-next1.wish.json",
    answer: "handovers/00000001-next1.answer.json",
    "member, the last": "members/",
    "lease, the last": "leases/fold/",
    "alarms, the last": "alarms/",
    "pins, the last": "pins/",
    "settings, the last": "settings/",
    "expiry, the last": "expiries/",
    "rates, the last": "rates/",
    "bundle, the newest": "bundles/",
  };
  for (const [what, prefix] of Object.entries(small)) {
    chosen.set(what, names.filter((name) => name.startsWith(prefix)).at(-1)!);
  }
  for (const [what, end] of [
    ["operation", "manifest.json"],
    ["operation part", "part-000000.zst"],
    ["operation end", "end.json"],
  ] as const) {
    const isIt = (name: string) => name.startsWith("operations/") && name.endsWith(end);
    chosen.set(what, names.find(isIt)!);
  }
  const ofRecoveries = names.filter((name) => name.startsWith("recoveries/"));
  chosen.set("recovery, the last", ofRecoveries.filter((name) => name.endsWith(".json")).at(-1)!);
  chosen.set("recovery plan", ofRecoveries.find((name) => name.endsWith(".zst"))!);
  for (const prefix of ["pins/", "settings/", "expiries/", "rates/"]) {
    chosen.set(`${prefix}, the first`, names.find((name) => name.startsWith(prefix))!);
  }
  return chosen;
}

/** What does not count any more, or never did. */
export async function chooseIdle({ store }: World): Promise<ChosenObjects> {
  const names = await namesIn(store);
  const { expiry, believed, pieces } = await LogView.read(store);
  const counts = new Set(believed.segments.map(({ name }) => name));
  const disowned = names.find(
    (name) =>
      (parseSegmentName(name)?.to ?? 0) > expiry!.logTo &&
      !counts.has(name) &&
      !pieces.some((piece) => piece.name === name),
  )!;
  const retired = Object.keys(expiry!.bases).find((name) => names.includes(name))!;
  const folded = names.find((name) => name.startsWith("folded/"))!;
  return new Map([
    ["a segment of a writer that was shut out", disowned],
    ["the manifest of a base that was expired", retired],
    ["a part of a base that was expired", (await readManifest(store, retired)).parts[0]!.name],
    ["a part of a folded segment that was expired", folded],
    ["its manifest", `${directoryOf(folded)}manifest.json`],
    ["a bundle that a newer one follows", names.find((name) => name.startsWith("bundles/"))!],
  ]);
}
