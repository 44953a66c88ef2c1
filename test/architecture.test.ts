/** Holds the floors of src/, so that nobody has to remember them. */
import { readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { describe, expect, test } from "vitest";

const src = resolve(import.meta.dirname, "../src");

interface SourceFile {
  /** Path below src, with slashes. */
  name: string;
  text: string;
  imports: { line: number; specifier: string }[];
}

function readSource(text: string, name: string): SourceFile {
  const imports: SourceFile["imports"] = [];
  // `import … from "x"`, `export … from "x"`, `import "x"`, `import("x")`, also of types and over several lines.
  const pattern = /(?:\b(?:import|export)\b[^;"']*?\bfrom\s*|\bimport\s*\(?\s*)["']([^"']+)["']/g;
  for (const match of text.matchAll(pattern)) {
    const line = text.slice(0, match.index + match[0].length).split("\n").length;
    imports.push({ line, specifier: match[1]! });
  }
  return { name, text, imports };
}

const everyFile = readdirSync(src, { recursive: true, encoding: "utf8" })
  .filter((name) => /\.tsx?$/.test(name))
  .map((name) => readSource(readFileSync(join(src, name), "utf8"), name.replaceAll("\\", "/")));

/** The console runs in a browser: a program of its own, which knows the API by its answers. */
const isOfConsole = ({ name }: Pick<SourceFile, "name">) => name.startsWith("console/");
const files = everyFile.filter((file) => !isOfConsole(file));
const consoleFiles = everyFile.filter(isOfConsole);

/** From the top down. Rooms on one floor do not know each other. */
const floors = [
  ["(entry)"],
  ["cli", "library"],
  ["api"],
  ["alarms"],
  ["configuration"],
  ["verify"],
  ["evidence", "exchange"],
  ["recovery", "upkeep"],
  ["health", "recoveries"],
  ["capture", "coordination", "copies", "fold", "restore"],
  ["repository"],
  ["repository/coverage"],
  ["repository/bases"],
  ["repository/log"],
  ["sealing"],
  ["repository/records", "repository/registers"],
  ["format"],
  ["costs", "rethinkdb", "storage"],
  ["(root)"],
];

/** What other programs import, under the name that an ecosystem expects. */
const entry = "index.ts";

function roomOf(name: string): string {
  if (name === entry) return "(entry)";
  // The kinds of stores have folders, and are one room with their registry and with what they implement.
  if (name.startsWith("storage/")) return "storage";
  return name.includes("/") ? name.slice(0, name.lastIndexOf("/")) : "(root)";
}

const floorOf = (room: string) => floors.findIndex((rooms) => rooms.includes(room));

/** The file of src that an import leads to; undefined for a package. */
function targetOf(file: SourceFile, specifier: string): string | undefined {
  if (!specifier.startsWith(".")) return undefined;
  const path = relative(src, resolve(src, dirname(file.name), specifier)).replaceAll("\\", "/");
  return path.replace(/\.js$/, ".ts");
}

function climbing(all: SourceFile[]): string[] {
  const found: string[] = [];
  for (const file of all) {
    for (const { line, specifier } of file.imports) {
      const target = targetOf(file, specifier);
      if (target === undefined || target.endsWith(".json")) continue;
      const [from, to] = [roomOf(file.name), roomOf(target)];
      const goesDown = floorOf(to) > floorOf(from);
      if (from !== to && !goesDown) found.push(`src/${file.name}:${line} imports src/${target}`);
    }
  }
  return found;
}

/** Cycles of imports, of types too, each as the path of files that closes it. */
function cycles(all: SourceFile[]): string[] {
  const byName = new Map(all.map((file) => [file.name, file]));
  const done = new Set<string>();
  const found: string[] = [];
  const visit = (name: string, path: string[]) => {
    if (path.includes(name)) {
      found.push([...path.slice(path.indexOf(name)), name].join(" → "));
      return;
    }
    const file = byName.get(name);
    if (!file || done.has(name)) return;
    for (const { specifier } of file.imports) {
      const target = targetOf(file, specifier);
      if (target !== undefined) visit(target, [...path, name]);
    }
    done.add(name);
  };
  for (const { name } of all) visit(name, []);
  return found;
}

/** What only clock.ts may use; and what cli may besides, for stamps on its log and the length of a run. */
const nondeterminism: [RegExp, (name: string) => boolean][] = [
  [/\bDate\.now\b/g, () => false],
  [/\bnew Date\(\s*\)/g, (name) => name.startsWith("cli/")],
  [/\bperformance\.now\b/g, (name) => name.startsWith("cli/")],
  [/\b(?:setTimeout|setInterval|setImmediate)\b/g, () => false],
  // The composition hands it in; nobody calls it in place. A store is composed where its location is known.
  [
    /\bMath\.random\b(?!\s*\()/g,
    (name) => /^(cli|library)\//.test(name) || name === "storage/store-at.ts",
  ],
  [/\bMath\.random\s*\(/g, () => false],
  [/["'](?:node:)?timers(?:\/promises)?["']/g, () => false],
];

function unruly(all: SourceFile[]): string[] {
  const found: string[] = [];
  for (const { name, text } of all) {
    if (name === "clock.ts") continue;
    for (const [pattern, allows] of nondeterminism) {
      if (allows(name)) continue;
      for (const match of text.matchAll(pattern)) {
        found.push(`src/${name}:${text.slice(0, match.index).split("\n").length} uses ${match[0]}`);
      }
    }
  }
  return found;
}

const columnsMax = 120;

/** Comment lines that are too long. Biome wraps code only. */
function wide(all: SourceFile[]): string[] {
  return all.flatMap(({ name, text }) =>
    text
      .split("\n")
      .map((line, i) => ({ line, at: `src/${name}:${i + 1}` }))
      .filter(({ line }) => /^\s*(?:\/\/|\/?\*)/.test(line) && line.length > columnsMax)
      .map(({ line, at }) => `${at} has ${line.length} columns`),
  );
}

describe("the source", () => {
  test("is found", () => {
    expect(files.length).toBeGreaterThan(40);
    expect(files.reduce((sum, { imports }) => sum + imports.length, 0)).toBeGreaterThan(150);
  });

  test("has only rooms that stand on a floor", () => {
    const rooms = [...new Set(files.map(({ name }) => roomOf(name)))];
    expect(rooms.filter((room) => floorOf(room) === -1)).toEqual([]);
  });

  test("imports only what exists, and only down the floors", () => {
    const names = new Set(files.map(({ name }) => name));
    const astray = files.flatMap((file) =>
      file.imports
        .map(({ specifier }) => targetOf(file, specifier))
        .filter((target) => target !== undefined && !names.has(target) && !target.endsWith(".d.ts"))
        .map((target) => `src/${file.name} imports ${target}`),
    );
    expect(astray).toEqual([]);
    expect(climbing(files)).toEqual([]);
  });

  test("has no cycle of imports", () => {
    expect(cycles(files)).toEqual([]);
  });

  test("reads the clock, waits and draws lots only in clock.ts", () => {
    expect(unruly(files)).toEqual([]);
  });

  test("has no file of over 400 lines", () => {
    const long = everyFile.filter(({ text }) => text.split("\n").length > 401);
    expect(long.map(({ name }) => name)).toEqual([]);
  });

  test("has no comment line of over 120 columns", () => {
    expect(wide(everyFile)).toEqual([]);
  });

  test("has a console that takes nothing of the rest but the answers of the API, and the rules of times and persons", () => {
    expect(consoleFiles.length).toBeGreaterThan(15);
    const outside = consoleFiles.flatMap((file) =>
      file.imports
        .map(({ specifier }) => targetOf(file, specifier))
        .filter((target) => target !== undefined && !target.startsWith("console/")),
    );
    expect(new Set(outside)).toEqual(
      new Set(["api/answers.ts", "api/overview-answers.ts", "instant.ts", "recoveries/person.ts"]),
    );
    const inside = files.filter(({ imports }) =>
      imports.some(({ specifier }) => specifier.includes("/console/")),
    );
    expect(inside.map(({ name }) => name)).toEqual([]);
  });

  test("has no file or room named after nothing", () => {
    const vague = /^(utils?|helpers?|common|misc|types|index|shared)(\.ts)?$/;
    const names = files.map(({ name }) => name).filter((name) => name !== entry);
    const parts = names.flatMap((name) => [basename(name), ...name.split("/").slice(0, -1)]);
    expect(parts.filter((part) => vague.test(part))).toEqual([]);
  });
});

describe("the checks themselves find", () => {
  const file = (name: string, text: string) => readSource(text, name);

  test("an import up or across the floors, and name it", () => {
    const planted = [
      file(
        "storage/x.ts",
        'import { a } from "../errors.js";\nimport type { B } from "../repository/log.js";\n',
      ),
      file("capture/y.ts", 'import {\n  c,\n} from "../restore/plan.js";\n'),
      file(
        "restore/z.ts",
        'export { d } from "../fold/fold.js";\nconst e = await import("../cli/run.js");\n',
      ),
      file("storage/w.ts", 'import "../rethinkdb/feed.js";\n'),
      file("errors.ts", "import x from './storage/memory-store.js';\n"),
      file("cli/run.ts", 'import { f } from "../capture/y.js";\nimport { g } from "pino";\n'),
      file("repository/log/v.ts", 'import type { H } from "../bases/base.js";\n'),
    ];
    expect(climbing(planted)).toEqual([
      "src/storage/x.ts:2 imports src/repository/log.ts",
      "src/capture/y.ts:3 imports src/restore/plan.ts",
      "src/restore/z.ts:1 imports src/fold/fold.ts",
      "src/restore/z.ts:2 imports src/cli/run.ts",
      "src/storage/w.ts:1 imports src/rethinkdb/feed.ts",
      "src/errors.ts:1 imports src/storage/memory-store.ts",
      "src/repository/log/v.ts:1 imports src/repository/bases/base.ts",
    ]);
  });

  test("a cycle, and name it", () => {
    const planted = [
      file("a.ts", 'import "./b.js";'),
      file("b.ts", 'import { type C, c } from "./c.js";'),
      file("c.ts", 'import "./a.js";'),
      file("d.ts", 'import "./a.js";\nimport type { E } from "./e.js";'),
      file("e.ts", 'import "./d.js";'),
    ];
    expect(cycles(planted)).toEqual(["a.ts → b.ts → c.ts → a.ts", "d.ts → e.ts → d.ts"]);
  });

  test("a comment line that is too long, and name it", () => {
    const long = "x".repeat(columnsMax);
    const planted = [
      file("a.ts", `const a = "${long}";\n// ${long}\n`),
      file("b.ts", `/** ${long} */\n  /*\n   * ${long}\n   */\n`),
      file("c.ts", `// ${long.slice(3)}\n`),
    ];
    expect(wide(planted)).toEqual([
      "src/a.ts:2 has 123 columns",
      "src/b.ts:1 has 127 columns",
      "src/b.ts:3 has 125 columns",
    ]);
  });

  test("time and chance, and name them", () => {
    const planted = [
      file("clock.ts", "Date.now()"),
      file("cli/log.ts", "new Date(); performance.now(); const random = Math.random;"),
      file("cli/show.ts", "Math.random()"),
      file("cli/run.ts", "setTimeout(f, 1)"),
      file("fold/fold.ts", "\nconst x = Math.random() + new Date( ).getTime();"),
      file("capture/a.ts", 'import { setTimeout as sleep } from "node:timers/promises";'),
    ];
    expect(unruly(planted)).toEqual([
      "src/cli/show.ts:1 uses Math.random(",
      "src/cli/run.ts:1 uses setTimeout",
      "src/fold/fold.ts:2 uses new Date( )",
      "src/fold/fold.ts:2 uses Math.random(",
      "src/capture/a.ts:1 uses setTimeout",
      'src/capture/a.ts:1 uses "node:timers/promises"',
    ]);
  });
});
