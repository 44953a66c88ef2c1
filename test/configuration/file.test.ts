import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fileName, parseConfiguration, readConfiguration } from "../../src/configuration/file.js";
import { configurable } from "../../src/configuration/options.js";
import { readPage } from "../docs/generated.js";

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "thinkback-configuration-"));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** The errors of a file, as `line: message → hint`. */
function errorsOf(text: string): string[] {
  const { findings } = parseConfiguration("f", text);
  return findings.map(({ where, message, hint }) => `${where.slice(2)}: ${message} → ${hint}`);
}

/** A value that each type takes. */
const good: Record<string, string> = {
  text: "info",
  path: "/a b",
  location: "/srv/backup",
  address: "rethinkdb://ann@db1",
  url: "redis://db1",
  password: "secret",
  "secret url": "https://monitor.example/ping",
  pattern: "'shop.*'",
  duration: "90s",
  size: "2GiB",
  count: "3",
  price: "0.5",
  cron: "0 3 * * *",
  tiers: "'all:7d, 1m:30d'",
  switch: "false",
};

describe("each key", () => {
  const rows = [...new Map(configurable.map((row) => [row.key!, row])).values()];

  test.each(rows.map((row) => [row.key!, row] as const))("%s is read", (key, { type }) => {
    const [section, name] = key.split(".");
    const value = good[type]!;
    const text = name === undefined ? `${section}: ${value}` : `${section}:\n  ${name}: ${value}`;
    const { values, findings } = parseConfiguration("f", text);
    expect(findings).toEqual([]);
    const line = name === undefined ? 1 : 2;
    expect([...values]).toEqual([
      [key, { texts: [value.replaceAll("'", "")], where: `${key} in f:${line}` }],
    ]);
  });

  test.each(rows.map((row) => [row.key!, row] as const))("%s refuses another shape", (key, row) => {
    const [section, name] = key.split(".");
    for (const value of ["{ a: 1 }", "[[1]]", "''", ...(row.list ? [] : ["[{}]"])]) {
      const text =
        name === undefined ? `${section}: ${value}` : `${section}: { ${name}: ${value} }`;
      expect([value, errorsOf(text)]).toEqual([
        value,
        [expect.stringMatching(new RegExp(`^1: ${key.replace(".", "\\.")}.* → .+`))],
      ]);
    }
  });
});

test("a file that is empty, or has empty sections, says nothing", () => {
  for (const text of ["", "# nothing\n", "capture:\n", "capture: ~\n", "---\n"]) {
    expect(parseConfiguration("f", text)).toMatchObject({ values: new Map(), findings: [] });
  }
});

test("what is written counts, and not the number that YAML makes of it", () => {
  for (const text of ["0123", "1e5", "12345678901234567890123", "0x1F", "1_0", "True", "007.50"]) {
    const { values, findings } = parseConfiguration("f", `source:\n  password: ${text}`);
    expect(findings).toEqual([]);
    expect(values.get("source.password")?.texts).toEqual([text]);
  }
  const { values } = parseConfiguration("f", "capture:\n  include: [0123, 1e5]");
  expect(values.get("capture.include")?.texts).toEqual(["0123", "1e5"]);
});

test("a key without a value is an error, wherever it stands", () => {
  for (const nothing of ["", "~", "null"]) {
    expect(errorsOf(`repo: ${nothing}`)).toEqual([expect.stringMatching(/^1: repo has no value/)]);
    expect(errorsOf(`source:\n  password: ${nothing}\nmaintenance:\n  keep: ${nothing}`)).toEqual([
      expect.stringMatching(/^2: source.password has no value → .*leave the key out/),
      expect.stringMatching(/^4: maintenance.keep has no value/),
    ]);
  }
});

test("a secret key that is given as a value is refused, and not repeated", () => {
  const [error] = errorsOf("keys:\n  identity: AGE-SECRET-KEY-1QQQ");
  expect(error).toMatch(/^2: keys.identity: is a secret key itself → put it in a file/);
  expect(error).not.toContain("QQQ");
});

test.each([
  ["capture:\n  tikc: 1s", /^2: capture\.tikc is not a key .* → did you mean capture\.tick\?$/],
  ["capture:\n  tickMax: 1s", /^2: .* → did you mean capture\.tick_max\?$/],
  ["maintenance:\n  fold-every: 1h", /^2: .* → did you mean maintenance\.fold_every\?$/],
  ["captrue:\n  tick: 1s", /^1: captrue is not a key .* → did you mean capture\?$/],
  ["tick: 1s", /^1: tick is not a key .* → did you mean capture\.tick\?$/],
  ["repo: /a\ndrill:\n  spool: /b", /^3: drill\.spool is not .* → did you mean capture\.spool\?$/],
  ["log:\n  colour: red", /^2: log\.colour is not a key .* → the keys of log are log\.level$/],
  [
    "zzz: 1",
    /^1: zzz is not a key .* → the sections are source, target, repo, redis, keys, role, capture, /,
  ],
  ["capture: fast", /^1: capture is a section, .* → give its keys .*capture\.tick/],
  ["capture: [1]", /^1: capture is a section/],
  ["just text", /^1: the file holds no keys/],
  ["- 1", /^1: the file holds no keys/],
  ["\n\ncapture:\n  tick: soon", /^4: capture\.tick: "soon" is not a duration → give it as 500ms/],
  ["capture: { copies: 0 }", /^1: capture\.copies: "0" is not a whole number above 0/],
  ["capture: { copies: 1.5 }", /^1: capture\.copies: "1\.5" is not a whole number/],
  ["capture: { spool_limit: much }", /^1: capture\.spool_limit: "much" is not a size/],
  ["maintenance: { auto: maybe }", /^1: maintenance\.auto: "maybe" is neither true nor false/],
  ["maintenance: { auto: yes }", /"yes" is neither true nor false → write true or false/],
  ["maintenance: { keep: 'all:x' }", /^1: maintenance\.keep: cannot keep "all:x"/],
  ["maintenance: { fold_at: 61 3 * * * }", /^1: maintenance\.fold_at: the expression "61/],
  ["log: { level: loud }", /^1: log\.level: "loud" is not .* → give debug, info, warn or error$/],
  ["capture:\n  include:\n    - shop\n    - a.b.c", /^4: capture\.include: .*"a\.b\.c"/],
  ["prices: { put: -1 }", /^1: prices\.put: "-1" is not a price/],
  ["source: { url: 'http://x' }", /^1: source\.url: the address of .* must begin rethinkdb/],
  [
    "repo: /a\nrepo: /b",
    /^2: this is not YAML \(DUPLICATE_KEY\) → the key on this line is there twice/,
  ],
  ["a: b: c", /^1: this is not YAML/],
  ["a:\n\t- b", /^2: this is not YAML \(TAB_AS_INDENT\)/],
  ["repo: /a\n---\nrepo: /b", /this is not YAML \(MULTIPLE_DOCS\)/],
  ["repo: *none", /this is not YAML|aliases cannot be followed/],
])("%j is an error with its line and a way out", (text, message) => {
  expect(errorsOf(text)[0]).toMatch(message);
});

test("what is wrong is said all at once; what is right beside it is kept", () => {
  const { values, findings } = parseConfiguration(
    "f",
    "repo: /a\ncapture:\n  tick: soon\n  copies: 3\n  colour: red\n",
  );
  expect(findings.map(({ where }) => where).sort()).toEqual(["f:3", "f:5"]);
  expect([...values.keys()]).toEqual(["repo", "capture.copies"]);
});

test.each([
  "source: { url: 'http://ann:S3cret@db' }",
  "source: { url: 'rethinkdb://ann:S3cret' }",
  "source: { password: [S3cret, S3cret] }",
  "source: { password: { S3cret: 1 } }",
  "source:\n  password: *S3cret",
  "source:\n  password: !S3cret x",
  'source:\n  password: "\\qS3cret"',
  "source:\n  password: `S3cret",
  "source:\n  password: %S3cret",
  "source:\n  password: 'S3cret",
  "source:\n  password: S3cret: x",
  "source: S3cret",
])("no error repeats a secret: %j", (text) => {
  const errors = errorsOf(text);
  expect(errors.length).toBeGreaterThan(0);
  expect(errors.join()).not.toContain("cret: 1");
  // A key is named; a value is not.
  expect(errors.join().replaceAll("password.S3cret", "")).not.toContain("S3cret");
});

test("a file with a password that others may read is warned of", () => {
  const warnings = (text: string, mode: number) =>
    parseConfiguration("f", text, mode).findings.map(({ isError, message }) => [isError, message]);
  const password = "source: { password: x }";
  const message = "other users may read the secret in source.password";
  expect(warnings(password, 0o644)).toEqual([[false, message]]);
  expect(warnings("target: { url: 'rethinkdb://a:x@b' }", 0o640)).toEqual([
    [false, expect.stringContaining("target.url")],
  ]);
  expect(warnings(password, 0o600)).toEqual([]);
  expect(warnings("source: { url: 'rethinkdb://a@b' }", 0o644)).toEqual([]);
});

describe("the file is", () => {
  test("the one that is named, else that of the directory, else none", async () => {
    const place = join(directory, "place");
    await mkdir(place);
    expect(await readConfiguration(undefined, place)).toBeUndefined();
    await writeFile(join(place, fileName), "repo: /here");
    await writeFile(join(place, "other.yaml"), "repo: /there");
    const found = await readConfiguration(undefined, place);
    expect(found).toMatchObject({ path: join(place, fileName) });
    const named = await readConfiguration("other.yaml", place);
    expect(named?.values.get("repo")?.texts).toEqual(["/there"]);
  });

  test("an error if it is named and is not there, is a directory, or may not be read", async () => {
    const message = /cannot read the configuration file .*(ENOENT|EISDIR)/;
    for (const name of ["none.yaml", "."]) {
      await expect(readConfiguration(name, directory)).rejects.toMatchObject({
        code: "usage",
        message: expect.stringMatching(message),
      });
    }
    const place = join(directory, "forbidden");
    await mkdir(join(place, fileName), { recursive: true });
    await chmod(place, 0o700);
    await expect(readConfiguration(undefined, place)).rejects.toMatchObject({ code: "usage" });
  });
});

test("the example of the page is valid, and says what it seems to say", async () => {
  const page = await readPage("configuration.md");
  const [, example] = /```yaml\n([^]*?)```/.exec(page)!;
  const { values, findings } = parseConfiguration("f", example!);
  expect(findings).toEqual([]);
  expect(Object.fromEntries([...values].map(([key, { texts }]) => [key, texts]))).toEqual({
    "source.url": ["rethinkdb://thinkback@db1:28015,db2,db3?ca=/etc/thinkback/ca.pem"],
    "source.password_file": ["/run/secrets/source_password"],
    repo: ["/srv/backup"],
    "capture.exclude": ["scratch", "*.sessions"],
    "capture.spool": ["/var/spool/thinkback"],
    "maintenance.keep": ["all:7d, 1m:30d, 1d:365d"],
    "maintenance.restore_within": ["10m"],
    "drill.at": ["0 4 * * *"],
    "log.level": ["info"],
  });
});
