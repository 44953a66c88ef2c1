import { expect, test } from "vitest";
import { Gathered } from "../../src/capture/gathered.js";
import { systemClock } from "../../src/clock.js";

const never = new AbortController().signal;

/** Work that waits until it is told to end, and what it was asked each time. */
function gathered() {
  const asked: number[][] = [];
  const ends: ((error?: Error) => void)[] = [];
  const shared = new Gathered<number, string>(systemClock, 5, (questions) => {
    asked.push(questions);
    return new Promise((resolve, reject) => {
      ends.push((error) => (error ? reject(error) : resolve(`work ${asked.length}`)));
    });
  });
  const begun = async (count: number) => {
    while (ends.length < count) await systemClock.sleep(1);
  };
  return { shared, asked, ends, begun };
}

test("what is asked at one time is answered by one piece of work", async () => {
  const { shared, asked, ends, begun } = gathered();
  const answers = [1, 2, 3].map((question) => shared.ask(question, never));
  await begun(1);
  ends[0]!();
  expect(await Promise.all(answers)).toEqual(["work 1", "work 1", "work 1"]);
  expect(asked).toEqual([[1, 2, 3]]);
});

test("what is asked while work goes on is answered by work that begins after it", async () => {
  const { shared, asked, ends, begun } = gathered();
  const first = shared.ask(1, never);
  await begun(1);
  const later = [shared.ask(2, never), shared.ask(3, never)];
  ends[0]!();
  await begun(2);
  ends[1]!();
  expect([await first, ...(await Promise.all(later))]).toEqual(["work 1", "work 2", "work 2"]);
  expect(asked).toEqual([[1], [2, 3]]);
});

test("an error is everybody's who asked, and nobody's who asks later", async () => {
  const { shared, ends, begun } = gathered();
  const failing = [shared.ask(1, never), shared.ask(2, never)];
  await begun(1);
  ends[0]!(new Error("the store is away"));
  for (const one of failing) await expect(one).rejects.toThrow("the store is away");
  const next = shared.ask(3, never);
  await begun(2);
  ends[1]!();
  expect(await next).toBe("work 2");
});

test("a question that is withdrawn is not answered; one whose work has begun is given back", async () => {
  const { shared, asked, ends, begun } = gathered();
  const withdrawn = new AbortController();
  const unwanted: string[] = [];
  const first = shared.ask(1, withdrawn.signal, (answer) => unwanted.push(answer));
  await begun(1);
  const second = shared.ask(2, withdrawn.signal);
  const third = shared.ask(3, never);
  withdrawn.abort(new Error("the feed was lost"));
  await expect(first).rejects.toThrow("the feed was lost");
  await expect(second).rejects.toThrow("the feed was lost");
  await expect(shared.ask(4, withdrawn.signal)).rejects.toThrow("the feed was lost");
  ends[0]!();
  await begun(2);
  ends[1]!();
  expect(await third).toBe("work 2");
  expect(asked).toEqual([[1], [3]]);
  expect(unwanted).toEqual(["work 1"]);
});
