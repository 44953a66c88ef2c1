import { describe, expect, test } from "vitest";
import { parseConfiguration } from "../../src/configuration/file.js";
import { takes } from "../../src/configuration/option.js";
import { options } from "../../src/configuration/options.js";
import {
  type Environment,
  settingsOf,
  unknownVariables,
  type Value,
} from "../../src/configuration/settings.js";
import { similar } from "../../src/similar.js";

/** What counts for a command, as `value < where`, and the errors. */
function resolved(
  command: string,
  {
    given = {},
    environment = {},
    file,
  }: { given?: Record<string, Value>; environment?: Environment; file?: string },
) {
  const rows = options.filter((row) => takes(command, row));
  const configuration = file === undefined ? undefined : parseConfiguration("f", file);
  expect(configuration?.findings ?? []).toEqual([]);
  const { byAttribute, findings } = settingsOf(
    rows,
    new Map(Object.entries(given)),
    environment,
    configuration,
  );
  const of = (attribute: string) => {
    const { value, where } = byAttribute.get(attribute)!;
    return [value, where];
  };
  return { of, errors: findings.map(({ where, message }) => `${where}: ${message}`) };
}

describe("the command line counts before the environment, the file and the default", () => {
  const file = "capture: { tick: 3s, include: [c, d] }\nmaintenance: { auto: true, fold: false }";
  const environment = {
    THINKBACK_TICK: " 2s ",
    THINKBACK_INCLUDE: "a  b",
    THINKBACK_AUTO: "false",
    THINKBACK_FOLD: "true",
  };
  const given = { tick: "1s", include: ["x"], auto: true, fold: false };

  test.each([
    ["tick", "1s", "2s", "3s", "1s"],
    ["include", ["x"], ["a", "b"], ["c", "d"], []],
    ["auto", true, false, true, undefined],
    ["fold", false, true, false, true],
  ])("%s", (attribute, ofLine, ofEnvironment, ofFile, byDefault) => {
    const all = resolved("run", { given, environment, file });
    expect(all.of(attribute)[0]).toEqual(ofLine);
    const [value, where] = resolved("run", { environment, file }).of(attribute);
    expect([value, where]).toEqual([ofEnvironment, `THINKBACK_${attribute.toUpperCase()}`]);
    const [fromFile, place] = resolved("run", { file }).of(attribute);
    expect([fromFile, place]).toEqual([ofFile, expect.stringMatching(/ in f:[12]$/)]);
    expect(resolved("run", {}).of(attribute)).toEqual([byDefault, "default"]);
  });
});

test("an empty variable counts as one that is not set", () => {
  const environment = { THINKBACK_TICK: "", THINKBACK_SOURCE: " ", THINKBACK_SOURCE_PASSWORD: "" };
  const { of, errors } = resolved("run", { environment });
  expect([of("tick"), of("source"), of("sourcePassword"), errors]).toEqual([
    ["1s", "default"],
    [[], "default"],
    [undefined, "default"],
    [],
  ]);
});

test("a password is taken with its blanks", () => {
  const environment = { THINKBACK_SOURCE_PASSWORD: " a b " };
  expect(resolved("run", { environment }).of("sourcePassword")[0]).toBe(" a b ");
});

describe("of an address and a file that holds it", () => {
  const url = "rethinkdb://ann@db";

  test("the one in the stronger place counts", () => {
    const { of, errors } = resolved("run", {
      given: { sourceFile: "/secret" },
      environment: { THINKBACK_SOURCE: url },
      file: `source: { url: "${url}", password_file: /p }`,
    });
    expect([of("source")[0], of("sourceFile")[0], of("passwordFile")[0], errors]).toEqual([
      [],
      "/secret",
      "/p",
      [],
    ]);
    const weak = resolved("restore", {
      environment: { THINKBACK_TARGET: url, THINKBACK_TARGET_PASSWORD: "x" },
      file: "target: { file: /t, password_file: /p }",
    });
    expect([weak.of("targetFile")[0], weak.of("passwordFile")[0]]).toEqual([undefined, undefined]);
    expect([weak.of("target")[0], weak.of("targetPassword")[0]]).toEqual([[url], "x"]);
  });

  test.each([
    [{ given: { source: [url], sourceFile: "/a" } }, "--source and --source-file both give"],
    [
      { environment: { THINKBACK_SOURCE: url, THINKBACK_SOURCE_FILE: "/a" } },
      "THINKBACK_SOURCE and THINKBACK_SOURCE_FILE both give the source",
    ],
    [
      { file: "source: { password: x, password_file: /a }" },
      "source.password in f:1 and source.password_file in f:1 both give the password of the source",
    ],
  ])("one place gives only one: %j", (places, message) => {
    expect(resolved("run", places).errors).toEqual([expect.stringContaining(message)]);
  });
});

test("a variable with a value that cannot be read is an error that names it, and no secret", () => {
  const environment = { THINKBACK_COPIES: "none", THINKBACK_SOURCE: "http://ann:S3cret@db" };
  const { errors } = resolved("run", { environment });
  expect(errors).toEqual([
    expect.stringMatching(/^THINKBACK_SOURCE: the address .* must begin rethinkdb/),
    'THINKBACK_COPIES: "none" is not a whole number above 0',
  ]);
  expect(errors.join()).not.toContain("S3cret");
  // Another command does not take them.
  expect(resolved("status", { environment }).errors).toEqual([]);
});

test("of a repository and its copies, a command that takes one place takes the first", () => {
  const file = "repo: [/a b, /c]";
  expect(resolved("status", { file }).of("repo")[0]).toEqual(["/a b", "/c"]);
  expect(resolved("fold", { file }).of("repo")[0]).toBe("/a b");
  const environment = { THINKBACK_REPO: "/a b\n/c\n" };
  expect(resolved("run", { environment }).of("repo")[0]).toEqual(["/a b", "/c"]);
  expect(resolved("pin list", { environment }).of("repo")[0]).toBe("/a b");
});

describe("of places, which may have blanks in them", () => {
  test.each(["/x/a /x/b", "/x/a ./b", "/a ../b", "/x s3://bucket/x?region=secret", "a\tfile:/b"])(
    "several on one line are refused: %s",
    (text) => {
      const wrong = "holds a blank, and another place behind it";
      for (const command of ["run", "fold", "status"]) {
        const { errors } = resolved(command, {
          environment: { THINKBACK_REPO: `/c\n${text}`, THINKBACK_IDENTITY: text },
        });
        expect(errors).toEqual([`THINKBACK_REPO: ${wrong}`, `THINKBACK_IDENTITY: ${wrong}`]);
      }
      const { findings } = parseConfiguration("f", `repo: ${JSON.stringify(text)}`);
      expect(findings).toMatchObject([{ where: "f:1", message: `repo: ${wrong}` }]);
    },
  );

  test.each(["/a b", "/my disk/a", "/a b/c d", "/x and y: z/a", "./a b"])("%s is one", (text) => {
    const environment = { THINKBACK_REPO: text };
    expect(resolved("run", { environment }).of("repo")).toEqual([[text], "THINKBACK_REPO"]);
    expect(resolved("fold", { environment }).of("repo")).toEqual([text, "THINKBACK_REPO"]);
  });
});

test("a variable that is none of Thinkback's, but looks like one, is told", () => {
  const found = unknownVariables({
    THINKBACK_TIKC: "1s",
    THINKBACK_TICK: "1s",
    THINKBACK_PASSPHRASE: "open",
    PATH: "",
    HOME: "",
  });
  expect(found).toMatchObject([{ where: "THINKBACK_TIKC", hint: "did you mean THINKBACK_TICK?" }]);
});

test.each([
  ["tikc", "tick"],
  ["TICK", "tick"],
  ["spoolLimit", "spool_limit"],
  ["tock", "tick"],
  ["x", undefined],
  ["zzzzzz", undefined],
])("%s is like %s", (name, near) => {
  expect(similar(name, ["tick", "spool_limit", "include"])).toBe(near);
});
