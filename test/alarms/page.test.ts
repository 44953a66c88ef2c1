/** docs/alarms.md has every kind of alarm, as it is in the code, and says what to do. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { alarmKinds, kindNames } from "../../src/alarms/kinds.js";
import { massBoundDefault } from "../../src/alarms/mass-change.js";
import { options } from "../../src/configuration/options.js";
import { formatDuration } from "../../src/instant.js";

const page = await readFile(join(import.meta.dirname, "../../docs/alarms.md"), "utf8");
const kinds = page.slice(page.indexOf("\n## Kinds\n")).split("\n### ").slice(1);

test("the page has the kinds that there are, each with its severity and its slack", () => {
  const told = new Map(
    kinds.map((text) => {
      const [name, rest] = [text.slice(0, text.indexOf("\n")), text.slice(text.indexOf("\n"))];
      return [name, rest.trim()];
    }),
  );
  expect([...told.keys()].sort()).toEqual([...kindNames].sort());
  for (const kind of kindNames) {
    const { severity, afterMs } = alarmKinds[kind];
    const word = `${severity[0]!.toUpperCase()}${severity.slice(1)}`;
    const slack = afterMs === 0 ? "at once" : `after ${formatDuration(afterMs)}`;
    expect(told.get(kind)).toMatch(new RegExp(`^${word}, ${slack}[.:] `));
    expect(told.get(kind)!.length).toBeGreaterThan(100);
  }
});

test("the page has the defaults of the options", () => {
  const row = (name: string) => options.find(({ flag }) => flag?.startsWith(`${name} `))!;
  expect(row("--mass-change").default).toBe(massBoundDefault);
  for (const name of ["--mass-change", "--alarm-behind"]) {
    expect(page).toMatch(new RegExp(`\\| \`${name} <[^|]*\\| \`${row(name).default}\` \\|`));
  }
});
