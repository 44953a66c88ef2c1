/** The record of a standby: of two processes that follow, one goes on. */
import { beforeEach, describe, expect, test } from "vitest";
import type { Owner } from "../../src/owner.js";
import { type StandbyRecord, StandbyStore } from "../../src/recovery/standby-record.js";
import type { GuardedWrite, Target, WriteOutcome } from "../../src/rethinkdb/target.js";
import type { WriteCondition } from "../../src/rethinkdb/write-condition.js";
import { StillClock } from "../repository/recording.js";

/** The time that is waited passes at once. */
class QuickClock extends StillClock {
  override sleep(ms?: number): Promise<void> {
    this.instant += ms ?? 0;
    return Promise.resolve();
  }
}

/** What a record needs of a target. */
class OneDocument {
  text: Buffer | null = null;
  isMade = false;
  /** The next answer to a write is lost, after it was carried out. */
  losesAnswer = false;

  onlyIf = (condition: WriteCondition) => ({
    dropDatabase: () => {
      const { holder } = JSON.parse(this.text!.toString()) as StandbyRecord;
      if (holder?.unique !== condition.value) return Promise.reject(condition.otherwise());
      [this.isMade, this.text] = [false, null];
      return Promise.resolve();
    },
  });
  databases = () => Promise.resolve(this.isMade ? ["thinkback_follow"] : []);
  tables = () =>
    Promise.resolve(this.isMade ? [{ id: "t", db: "thinkback_follow", name: "standby" }] : []);
  createDatabase = () => Promise.resolve();
  createTable = () => {
    this.isMade = true;
    return Promise.resolve("t");
  };
  documents = () => Promise.resolve([this.text]);
  replace = (_: unknown, [write]: GuardedWrite[]): Promise<WriteOutcome[]> => {
    const { expected, document } = write!;
    const isSame = expected === null ? this.text === null : this.text?.equals(expected) === true;
    if (!isSame) return Promise.resolve(["moved"]);
    this.text = document;
    if (!this.losesAnswer) return Promise.resolve(["written"]);
    this.losesAnswer = false;
    return Promise.reject(new Error("connection lost"));
  };
}

const owner = (host: string, alive = true): Owner => {
  return { host, process: host.length, space: host.slice(0, 3), isAlive: () => alive };
};
const everything = { repository: "r", databases: [], tables: [] };

let target: OneDocument;
let clock: QuickClock;

beforeEach(() => {
  [target, clock] = [new OneDocument(), new QuickClock()];
});

const open = (by: Owner, of: Parameters<typeof StandbyStore.open>[4] = everything) =>
  StandbyStore.open(
    target as unknown as Target,
    clock,
    by,
    `${by.host} ${clock.instant}`,
    of,
    () => Promise.resolve(),
    new AbortController().signal,
  );

describe("a record", () => {
  test("is taken over at once from a process that has ended, or is gone from this machine", async () => {
    const first = await open(owner("one"));
    first.record.databasesMade.push("shop");
    await first.end();
    expect((await open(owner("two"))).record.databasesMade).toEqual(["shop"]);
    const before = clock.instant;
    await open(owner("two again", false));
    expect(clock.instant).toBe(before);
  });

  test("is taken over from another machine once it has stood still; the one that held it ends", async () => {
    const first = await open(owner("one"));
    const before = clock.instant;
    const second = await open(owner("two"));
    expect(clock.instant - before).toBeGreaterThanOrEqual(15_000);
    await expect(first.put()).rejects.toMatchObject({ code: "fenced" });
    await second.put();
  });

  test("of the one that has taken over is not replaced by the one that ends", async () => {
    const first = await open(owner("one"));
    const second = await open(owner("two"));
    second.record.databasesMade.push("shop");
    await second.put();
    const before = target.text!.toString();
    for (const again of [1, 2]) {
      await expect(first.put(), `${again}`).rejects.toMatchObject({ code: "fenced" });
      await expect(first.end(), `${again}`).rejects.toMatchObject({ code: "fenced" });
    }
    expect(target.text!.toString()).toBe(before);
    await second.put();
  });

  test("that is taken over right after a put is not taken for one's own", async () => {
    const first = await open(owner("one"));
    const { documents } = target;
    let second: StandbyStore | undefined;
    target.documents = async () => {
      target.documents = documents;
      second = await open(owner("two"));
      return documents();
    };
    await expect(first.put()).rejects.toMatchObject({ code: "fenced" });
    await expect(first.put()).rejects.toMatchObject({ code: "fenced" });
    await second!.put();
  });

  test("is refused while a process of this machine runs, or another one goes on", async () => {
    await open(owner("one"));
    await expect(open(owner("one too"))).rejects.toMatchObject({ code: "fenced" });
    const sleep = clock.sleep.bind(clock);
    const record = JSON.parse(target.text!.toString()) as { number: number };
    clock.sleep = (ms) => {
      target.text = Buffer.from(JSON.stringify({ ...record, number: record.number + 1 }));
      return sleep(ms);
    };
    await expect(open(owner("two"))).rejects.toMatchObject({ code: "fenced" });
  });

  test("is put again and again during long work, and ends it when it is taken over", async () => {
    const first = await open(owner("one"));
    const numbers = new Set<number>();
    const work = (async () => {
      for (let look = 0; look < 500; look += 1) {
        numbers.add((JSON.parse(target.text!.toString()) as { number: number }).number);
        await Promise.resolve();
      }
      return "done";
    })();
    expect(await first.beatDuring(work)).toBe("done");
    expect(numbers.size).toBeGreaterThan(2);
    const second = await open(owner("two"));
    const never = new Promise<never>(() => undefined);
    await expect(first.beatDuring(never)).rejects.toMatchObject({ code: "fenced" });
    await second.put();
  });

  test("is removed at the end if nothing was made", async () => {
    await (await open(owner("one"))).end();
    expect([target.isMade, target.text]).toEqual([false, null]);
  });

  test("is still one's own after an answer was lost", async () => {
    const store = await open(owner("one"));
    target.losesAnswer = true;
    await expect(store.put()).rejects.toThrow("connection lost");
    store.record.databasesMade.push("shop");
    await store.put();
    expect(target.text!.toString()).toContain("shop");
  });

  test.each([
    [{ ...everything, repository: "other" }, /another repository/],
    [{ ...everything, databases: ["shop"] }, /a standby of everything/],
  ])("of another standby is refused: %j", async (of, message) => {
    const store = await open(owner("one"));
    store.record.databasesMade.push("shop");
    await store.end();
    await expect(open(owner("one"), of)).rejects.toThrow(message);
  });
});
