/**
 * The package as somebody gets it: packed, installed in an empty directory, its command started, its library imported and
 * type-checked. Install scripts do not run, which would compile the native binding for a minute: it is taken from here.
 */
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Stage } from "../endtoend/stage.js";
import { r } from "../server/driver.js";

const run = promisify(execFile);
const project = join(import.meta.dirname, "../..");
const page = await readFile(join(project, "docs/library.md"), "utf8");
const examples = [...page.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code]) => code!);

let directory: string;
/** Where the package is installed. */
let consumer: string;
let packed: string[];
/** What the command and the library say as npm 12 installs them: without the native binding. */
let unbuilt: { command: Ended; imported: Ended };

interface Ended {
  status: number;
  stdout: string;
  stderr: string;
}

/** Runs a file with Node in the consumer's directory. */
async function node(file: string, ...args: string[]): Promise<Ended> {
  try {
    const { stdout, stderr } = await run(process.execPath, [file, ...args], { cwd: consumer });
    return { status: 0, stdout, stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { status: code, stdout, stderr };
  }
}

/** Runs a module of this text in the consumer's directory. */
async function module(name: string, text: string): Promise<Ended> {
  await writeFile(join(consumer, name), text);
  return node(name);
}

const command = "node_modules/thinkback/dist/cli/main.js";
const unbuiltImport = `
  import("thinkback").catch(({ name, code, hint }) => console.log(name, code, hint));
`;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "thinkback-package-"));
  packed = await pack(join(directory, "project"));
  consumer = join(directory, "consumer");
  await mkdir(consumer);
  await writeFile(join(consumer, "package.json"), '{"private": true, "type": "module"}');
  const install = ["install", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund"];
  await run("npm", [...install, join(directory, "thinkback.tgz")], { cwd: consumer });
  unbuilt = {
    command: await node(command, "status", "--repo", "none"),
    imported: await module("unbuilt.js", unbuiltImport),
  };
  const binding = "node_modules/zstd-napi/build/Release/binding.node";
  await cp(join(project, binding), join(consumer, binding));
}, 300_000);

afterAll(() => rm(directory, { recursive: true, force: true }));

/**
 * Packs a copy of the project that was never built, so that packing has to build it, and not below the feet of other
 * tests. Returns the names of the packed files.
 */
async function pack(copy: string): Promise<string[]> {
  await mkdir(copy);
  const { files } = JSON.parse(await readFile(join(project, "package.json"), "utf8")) as {
    files: string[];
  };
  const taken = ["package.json", "tsconfig.json", "tsconfig.build.json", "src", ...files];
  for (const name of taken.filter((one) => one !== "dist")) {
    await cp(join(project, name), join(copy, name), { recursive: true });
  }
  await symlink(join(project, "node_modules"), join(copy, "node_modules"));
  const { stdout } = await run("npm", ["pack", "--json", "--loglevel=error"], { cwd: copy });
  // What the build prints stands before it.
  const [{ filename, files: all }] = JSON.parse(stdout.slice(stdout.search(/^\[/m))) as [
    { filename: string; files: { path: string }[] },
  ];
  await cp(join(copy, filename), join(directory, "thinkback.tgz"));
  return all.map(({ path }) => path);
}

test("holds what is built, the documentation and the licence, and nothing else", () => {
  for (const name of ["dist/index.js", "dist/index.d.ts", "dist/cli/main.js", "docs/library.md"]) {
    expect(packed).toContain(name);
  }
  const roots = new Set(packed.map((path) => path.split("/")[0]));
  const wanted = [
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "README.md",
    "SECURITY.md",
    "dist",
    "docs",
    "package.json",
  ];
  expect(roots).toEqual(new Set(wanted));
});

describe("where its native binding was not built", () => {
  const globally = "npm install -g --allow-scripts=zstd-napi thinkback";
  const inProject = "npm pkg set --json allowScripts.zstd-napi=true && npm rebuild zstd-napi";

  test("the command says what helps, without a stack, and ends with its own status", () => {
    const { status, stdout, stderr } = unbuilt.command;
    expect(stderr).toMatch(/^thinkback: .*zstd-napi.*Cannot find module.*binding\.node'\n {2}→ /);
    expect(stderr).toContain(globally);
    expect(stderr).toContain(inProject);
    expect(stderr).not.toMatch(/^\s+at /m);
    expect({ status, stdout }).toEqual({ status: 15, stdout: "" });
  });

  test("an import of the library is refused with the same", () => {
    const { status, stdout, stderr } = unbuilt.imported;
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toMatch(/^ThinkbackError install /);
    expect(stdout).toContain(globally);
  });
});

test("its command starts", async () => {
  const { version } = JSON.parse(await readFile(join(project, "package.json"), "utf8")) as {
    version: string;
  };
  const started = await run(join(consumer, "node_modules/.bin/thinkback"), ["--version"]);
  expect(started.stdout).toBe(`${version}\n`);
  expect(await node(command, "--help")).toMatchObject({
    status: 0,
    stdout: expect.stringContaining("restore tables"),
    stderr: "",
  });
  const none = await node(command, "status", "--repo", "none");
  expect(none).toMatchObject({ status: 4, stderr: expect.stringContaining("no repository") });
});

/** A server with a table of two orders. */
async function shop(): Promise<Stage> {
  const stage = await Stage.open();
  await stage.query(r.dbCreate("shop"));
  await stage.query(r.db("shop").tableCreate("orders"));
  const orders = r.db("shop").table("orders");
  await stage.query(orders.insert([{ id: 1 }, { id: 2 }]));
  return stage;
}

/** The example of the page that holds a text, with the address of the server in the place of the page's. */
function exampleFor({ address }: Stage, text: string): string {
  const example = examples.find((code) => code.includes(text))!;
  expect(example).toContain("rethinkdb://127.0.0.1:28015");
  return example.replace("rethinkdb://127.0.0.1:28015", address);
}

describe("its library", () => {
  test("is imported without a side effect", async () => {
    const imported = await module(
      "import.js",
      `const before = process.eventNames().length;
      const library = await import("thinkback");
      console.log(Object.keys(library).join());
      console.log(process.eventNames().length - before);`,
    );
    const names =
      "FlawedRestore,ThinkbackError,capture,formatInstant,openRepository,parseInstant,planRestore,readStatus,restore";
    expect(imported).toEqual({ status: 0, stdout: `${names}\n0\n`, stderr: "" });
  });

  test("is all that can be imported, beside package.json", async () => {
    const inner = await module("inner.js", 'await import("thinkback/dist/errors.js");');
    expect(inner.stderr).toContain("ERR_PACKAGE_PATH_NOT_EXPORTED");
    const own = 'import own from "thinkback/package.json" with { type: "json" };';
    expect(await module("own.js", `${own} console.log(own.name);`)).toMatchObject({
      status: 0,
      stdout: "thinkback\n",
    });
  });

  test("has types, which need no others", async () => {
    for (const [at, code] of examples.entries()) {
      await writeFile(join(consumer, `example-${at}.ts`), code);
    }
    const wrong = 'import { openRepository } from "thinkback";\nawait openRepository(1);\n';
    await writeFile(join(consumer, "wrong.ts"), wrong);
    const options = { target: "es2022", lib: ["es2022", "dom"], module: "nodenext", types: [] };
    const strict = { strict: true, exactOptionalPropertyTypes: true, noEmit: true };
    const tsconfig = { compilerOptions: { ...options, ...strict }, include: ["*.ts"] };
    await writeFile(join(consumer, "tsconfig.json"), JSON.stringify(tsconfig));
    const checked = await node(join(project, "node_modules/typescript/bin/tsc"));
    const errors = checked.stdout.split("\n").filter((line) => line.includes("error"));
    expect(errors.map((line) => line.split("(")[0])).toEqual(["wrong.ts"]);
  });

  test("does what the page shows", async () => {
    const stage = await shop();
    try {
      const code = exampleFor(stage, "planRestore");
      const { status, stdout, stderr } = await module("example.js", code);
      expect(stderr + status).toBe("0");
      expect(stdout).toContain("shop.orders is live and has 2 documents\n");
      expect(stdout).toMatch(/^shop\.orders_of_backup has 2 documents, as of \d{4}-.*\+00:00$/m);
      expect(await stage.texts("shop", "orders_of_backup")).toEqual(
        await stage.texts("shop", "orders"),
      );
    } finally {
      await stage.close();
    }
  });

  test("does what the page shows of copies and keys", async () => {
    const stage = await shop();
    try {
      const made = await node(command, ..."init --repo ./sealed-backup --keys ./keys".split(" "));
      expect(made.status).toBe(0);
      const { status, stdout, stderr } = await module("keys.js", exampleFor(stage, "keys:"));
      expect(stderr + status).toBe("0");
      expect(stdout).toMatch(/copy-of-sealed-backup has everything\nshop\.orders is live\n$/);
    } finally {
      await stage.close();
    }
  });
});
