/** The table of options, the command line and the page agree. */

import type { Command } from "commander";
import { describe, expect, test } from "vitest";
import { commandLine } from "../../src/cli/program.js";
import { fullName } from "../../src/cli/program-options.js";
import { attributeOf, longOf, takes } from "../../src/configuration/option.js";
import { configurable, options } from "../../src/configuration/options.js";
import { pages, readPage, withParts } from "../docs/generated.js";

const silent = { write: () => true };
const program = commandLine(
  { stdout: silent, stderr: silent },
  { environment: {}, directory: "/" },
  {},
);
const leaves = [
  ...program.commands,
  ...program.commands.flatMap(({ commands }) => commands),
].filter(({ commands }) => commands.length === 0);
const flagsOf = (command: Command) => command.options.map(({ flags }) => flags).sort();

test("each command has the options that the table has for it, and no others", () => {
  expect(leaves.length).toBeGreaterThan(15);
  for (const command of leaves) {
    const name = fullName(command);
    const rows = options.filter((row) => row.flag !== undefined && takes(name, row));
    expect([name, flagsOf(command)]).toEqual([name, rows.map(({ flag }) => flag!).sort()]);
  }
});

test("the table names no command that there is not", () => {
  const names = new Set(leaves.map(fullName));
  const named = options.flatMap(({ commands }) => (commands === "all" ? [] : commands));
  expect(named.filter((name) => !names.has(name))).toEqual([]);
});

describe("a row of the table", () => {
  test("with a key has a variable, and both are its own", () => {
    expect(configurable.filter(({ variable }) => variable === undefined)).toEqual([]);
    const ofKey = new Map<string, string>();
    for (const { key, variable, type } of configurable) {
      const same = `${variable} ${type}`;
      expect(ofKey.get(key!) ?? same).toBe(same);
      ofKey.set(key!, same);
    }
    expect(new Set(ofKey.values()).size).toBe(ofKey.size);
  });

  test("is called by a variable that is made of its flag or of its key", () => {
    for (const row of configurable) {
      const flag = longOf(row)?.replace(/^--(no-)?/, "");
      const words = [flag, row.key, row.key!.replace(/\.url$/, "")].filter((one) => one);
      const names = words.map(
        (word) => `THINKBACK_${word!.replaceAll(/[-.]/g, "_").toUpperCase()}`,
      );
      expect(names).toContain(row.variable);
    }
  });

  test("has an argument of its own in each of its commands", () => {
    for (const command of leaves) {
      const rows = options.filter((row) => takes(fullName(command), row));
      const attributes = rows.map(attributeOf);
      expect(new Set(attributes).size).toBe(attributes.length);
      const given = command.options.map((option) => option.attributeName()).sort();
      const flagged = rows.filter(({ flag }) => flag !== undefined).map(attributeOf);
      expect(given).toEqual(flagged.sort());
    }
  });
});

test.each(pages)("%s has what the code has: `npm run docs` writes it", async (page) => {
  const text = await readPage(page);
  expect(text).toContain("<!-- generated: ");
  expect(withParts(text)).toBe(text);
});
