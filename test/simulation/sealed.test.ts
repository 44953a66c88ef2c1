/**
 * The whole system under faults, with a sealed repository: writers that read no document, and maintenance and restores
 * by a reader. Nothing of it may depend on documents that only readers see.
 */
import { generateX25519Identity } from "age-encryption";
import { beforeAll, describe, expect, test } from "vitest";
import { type Identity, identityOf } from "../../src/sealing/identity.js";
import { type Key, makeKeySet } from "../../src/sealing/key-set.js";
import { sealedWith } from "../../src/sealing/keyring.js";
import type { ObjectStore } from "../../src/storage/object-store.js";
import { maintain } from "../../src/upkeep/maintain.js";
import { whyNotLong } from "../long.js";
import { simulate } from "./simulation.js";

let identities: Record<Key["role"], Identity>;
beforeAll(async () => {
  const make = async () => identityOf(await generateX25519Identity());
  identities = { reader: await make(), writer: await make() };
});

const seeds = whyNotLong === undefined ? 20 : 1;

function sealing(seed: number) {
  const keys = (["reader", "writer"] as const).map((role) => {
    return { name: role, role, offline: false, ...identities[role].public };
  });
  const content = { repository: `simulation-${seed}`, number: 1, at: 1, keys, former: [] };
  const set = makeKeySet(content, [identities.reader]);
  return (store: ObjectStore, role: Key["role"]) => sealedWith(store, set, [identities[role]]);
}

describe("a sealed repository under faults", () => {
  for (let seed = 701; seed < 701 + seeds; seed += 1) {
    test(`seed ${seed}`, { timeout: 120_000 }, async () => {
      const { violations, trace, compared } = await simulate({
        seed,
        steps: 120,
        seal: sealing(seed),
      });
      expect(violations, trace.join("\n")).toEqual([]);
      expect(compared.instants).toBeGreaterThan(5);
      expect(compared.documents).toBeGreaterThan(50);
    });
  }

  test.skipIf(whyNotLong !== undefined)(
    "is maintained over days",
    { timeout: 240_000 },
    async () => {
      const options = { seed: 731, steps: 60, seal: sealing(731), maintain };
      const { violations, trace, compared } = await simulate(options);
      expect(violations, trace.join("\n")).toEqual([]);
      expect(compared.instants).toBeGreaterThan(3);
    },
  );
});
