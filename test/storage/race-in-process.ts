import { expect } from "vitest";
import { failureOf, type ObjectStore } from "../../src/storage/object-store.js";

const writers = 16;
const names = 20;

/** 16 writers put 20 names, all at once. Each name must have one winner, and hold the winner's bytes. */
export async function raceInProcess(open: () => ObjectStore): Promise<void> {
  const stores = Array.from({ length: writers }, open);
  for (let round = 0; round < names; round += 1) {
    const name = `race/${round}`;
    const bytesOf = (writer: number) => Buffer.from(`writer ${writer} of ${name}\n`.repeat(50));
    const puts = stores.map((store, writer) => store.put(name, bytesOf(writer)));
    const outcomes = await Promise.allSettled(puts);
    const winners = outcomes.flatMap(({ status }, writer) =>
      status === "fulfilled" ? [writer] : [],
    );
    const failures = outcomes.flatMap((one) =>
      one.status === "rejected" ? [failureOf(one.reason)] : [],
    );
    expect(winners, name).toHaveLength(1);
    expect(failures).toEqual(Array<string>(writers - 1).fill("exists"));
    expect(await stores[0]!.get(name)).toEqual(bytesOf(winners[0]!));
  }
}
