/** The reader of the text format finds what is wrong with it. */
import { expect, test } from "vitest";
import { readExposition, valueIn } from "./exposition.js";

const gauge = "# HELP thinkback_a A.\n# TYPE thinkback_a gauge\n";
const histogram = "# HELP thinkback_h H.\n# TYPE thinkback_h histogram\n";

test("reads what is right", () => {
  const metrics = readExposition(
    `${gauge}thinkback_a{b="x\\"y,z=\\\\"} -1.5e-3\n\n${histogram}thinkback_h_bucket{le="1"} 1\nthinkback_h_bucket{le="+Inf"} 2\nthinkback_h_sum 3\nthinkback_h_count 2\n`,
  );
  expect(valueIn(metrics, 'thinkback_a{b="x\\"y,z=\\\\"}')).toBe(-0.0015);
  expect(valueIn(metrics, "thinkback_h_count")).toBe(2);
});

test.each([
  ["the last line does not end", "# HELP thinkback_a A.\n# TYPE thinkback_a gauge\nthinkback_a 1"],
  ["has no help", "# TYPE thinkback_a gauge\nthinkback_a 1\n"],
  ["told twice", `${gauge}${gauge}`],
  ["is a counter", "# HELP thinkback_a A.\n# TYPE thinkback_a counter\n"],
  ["is a gauge", "# HELP thinkback_a_total A.\n# TYPE thinkback_a_total gauge\n"],
  ["is no name", "# HELP other_a A.\n# TYPE other_a gauge\n"],
  ["stands among others", `${gauge}thinkback_b 1\n`],
  ["stands among others", "thinkback_b 1\n"],
  ["is no sample", `${gauge}thinkback_a{b=x} 1\n`],
  ["is no sample", `${gauge}thinkback_a{b="x"y"} 1\n`],
  ["label is there twice", `${gauge}thinkback_a{b="x",b="y"} 1\n`],
  ["series is there twice", `${gauge}thinkback_a 1\nthinkback_a 2\n`],
  ["is no number", `${gauge}thinkback_a NaN\n`],
  ["is no number", `${gauge}thinkback_a +Inf\n`],
  [
    "cannot fall",
    "# HELP thinkback_a_total A.\n# TYPE thinkback_a_total counter\nthinkback_a_total -1\n",
  ],
  ["has no buckets", histogram],
  ["do not rise", `${histogram}thinkback_h_bucket{le="1"} 2\nthinkback_h_bucket{le="+Inf"} 1\n`],
  [
    "is not its count",
    `${histogram}thinkback_h_bucket{le="+Inf"} 1\nthinkback_h_sum 1\nthinkback_h_count 2\n`,
  ],
  ["has no sum", `${histogram}thinkback_h_bucket{le="+Inf"} 1\nthinkback_h_count 1\n`],
])("finds: %s", (what, text) => {
  expect(() => readExposition(text)).toThrow(what);
});
