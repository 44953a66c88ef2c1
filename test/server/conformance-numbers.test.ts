/** How the servers print doubles: the simulated one as the real one does, to the last digit. */
import { expect, test } from "vitest";
import { serverNumber } from "../../src/exchange/server-number.js";
import { r, type Term } from "./driver.js";
import { onEachServer } from "./each-server.js";

/** Each kind has so many. Grisu2 misses the shortest text of about one double in a thousand. */
const ofEachKind = 8000;
const seed = 20_261_128;

function randomFrom(start: number): () => number {
  let state = start;
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
}

const random = randomFrom(seed);
const view = new DataView(new ArrayBuffer(8));

function anyBits(): number {
  for (;;) {
    for (const at of [0, 2, 4, 6]) view.setUint16(at, Math.floor(random() * 65_536));
    const value = view.getFloat64(0);
    if (Number.isFinite(value)) return value;
  }
}

const kinds: Record<string, () => number> = {
  "any bits": anyBits,
  "sums of tenths": () => Math.floor(random() * 1000) / 10 + Math.floor(random() * 1000) / 10,
  fractions: () => random() / (1 + Math.floor(random() * 100)),
  money: () => Math.round(random() * 1e8) / 100,
  "seconds of an epoch": () => Math.round(1.8e12 * random()) / 1000,
  "whole numbers about 2^53": () => Math.floor(2 ** (50 + 6 * random())),
  "powers of two": () => 2 ** Math.floor(-1074 + 2097 * random()),
  "powers of ten": () =>
    Number(`${1 + Math.floor(random() * 9)}e${Math.floor(-320 + 627 * random())}`),
  subnormals: () => random() * 2 ** -1022,
};
const edges = [0, -0, 0.1 + 0.2, 5e-324, 1e20, 1e21, 1e22, 1e-6, 1e-7, 1 / 3, Number.MAX_VALUE];
edges.push(2 ** 53, 2 ** 53 + 2, -(2 ** 53), Number.MIN_VALUE, 2 ** -1022, 9.5367431640625e-7);

onEachServer("the text of doubles", (bench) => {
  /** The text of a document, of a value made a string, and of a value within an answer. */
  const printed = async (numbers: number[]): Promise<[string[], string[], string]> => {
    const given = r.json(`[${numbers.map((n) => (Object.is(n, -0) ? "-0.0" : `${n}`)).join(",")}]`);
    const texts = await bench().value(given.map((one: Term) => one.toJsonString()));
    const strings = await bench().value(given.map((one: Term) => one.coerceTo("string")));
    const answer = await bench().ask(r.expr({ given }));
    return [texts as string[], strings as string[], answer];
  };

  const expectPrinted = async (numbers: number[]) => {
    const expected = numbers.map(serverNumber);
    const [texts, strings, answer] = await printed(numbers);
    expect(texts).toEqual(expected);
    expect(strings).toEqual(expected);
    expect(answer).toContain(`{"given":[${expected.join(",")}]}`);
  };

  test("at the edges", () => expectPrinted([...edges, ...edges.map((n) => -n)]));

  test.each(Object.keys(kinds))("%s", async (kind) => {
    const numbers = Array.from({ length: ofEachKind }, kinds[kind]!);
    await expectPrinted(numbers.map((n, i) => (i % 3 === 0 ? -n : n)));
  });

  test("of times, which are rounded to milliseconds, halves away from zero", async () => {
    const times = [1.0005, -1.2345, -1.2355, 0.0005, -0.0005, -12.34567, 1795840288.9865];
    const json = times.map((time) => `{"$reql_type$":"TIME","epoch_time":${time},"timezone":"Z"}`);
    const given = r.json(`[${json.join(",")}]`).map((one: Term) => one.toJsonString());
    const rounded = times.map((time) => Math.sign(time) * Math.round(Math.abs(time) * 1000));
    const texts = rounded.map((ms) => `"epoch_time":${serverNumber(ms / 1000)},`);
    const printed = (await bench().value(given)) as string[];
    expect(printed.map((text) => /"epoch_time":[^,]*,/.exec(text)?.[0])).toEqual(texts);
  });

  test("of which some are not the shortest that read back", () => {
    const numbers = Array.from({ length: ofEachKind }, kinds["any bits"]!);
    const longer = numbers.filter(
      (n) => Number(serverNumber(n)) === n && serverNumber(n) !== `${n}`,
    );
    expect(longer.length).toBeGreaterThan(5);
  });
});
