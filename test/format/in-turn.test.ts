import { expect, test } from "vitest";
import { InTurn } from "../../src/format/in-turn.js";

/** Works of which each ends when it is told to. */
class Works {
  readonly turn = new InTurn(1);
  readonly done: number[] = [];
  private readonly ends: ((error?: Error) => void)[] = [];

  add(number: number): void {
    this.turn.add(async () => {
      await new Promise<void>((resolve, reject) => {
        this.ends.push((error) => (error ? reject(error) : resolve()));
      });
      this.done.push(number);
    });
  }

  async end(error?: Error): Promise<void> {
    await expect.poll(() => this.ends.length).toBe(1);
    this.ends.shift()!(error);
  }

  /** What was done when `drain` let go. */
  async drained(): Promise<number[]> {
    await this.turn.drain();
    return [...this.done];
  }
}

test("whoever drains, alone or not, is held back until one work is left at most", async () => {
  const works = new Works();
  works.add(1);
  works.add(2);
  const both = [works.drained(), works.drained()];
  await works.end();
  expect(await Promise.all(both)).toEqual([[1], [1]]);
  works.add(3);
  const third = works.drained();
  await works.end();
  expect(await third).toEqual([1, 2]);
  await works.end();
  await works.turn.end();
  expect(works.done).toEqual([1, 2, 3]);
});

test("after a work that fails nothing more is done, and all who wait are told", async () => {
  const works = new Works();
  works.add(1);
  works.add(2);
  const waiting = [works.turn.drain(), works.turn.drain(), works.turn.end()];
  await works.end(new Error("planted"));
  for (const one of await Promise.allSettled(waiting)) {
    expect(one).toMatchObject({ status: "rejected", reason: { message: "planted" } });
  }
  expect(works.done).toEqual([]);
});
