/** Commands take what the file and the environment say, and say where a value comes from. */
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { runCommandLine } from "../../src/cli/program.js";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import { makeRepository, Recording, StillClock } from "../repository/recording.js";

const nowhere = "rethinkdb://127.0.0.1:1";
let directory: string;
let repo: string;

beforeAll(async () => {
  process.setMaxListeners(0);
  directory = await mkdtemp(join(tmpdir(), "thinkback-configured-"));
  repo = join(directory, "repository");
  const recording = await Recording.begin(
    await makeRepository(new DirectoryStore(repo)),
    new StillClock(Date.now() - 60_000),
  );
  recording.catalogRead();
  await recording.tick(50, { closed: true });
});
afterAll(() => rm(directory, { recursive: true, force: true }));
beforeEach(() => configure(""));

const configure = (text: string, mode = 0o600) =>
  writeFile(join(directory, "thinkback.yaml"), text, { mode });

async function run(args: string[], environment: Record<string, string> = {}) {
  const printed = { stdout: "", stderr: "" };
  const streams = {
    stdout: { write: (text: string | Uint8Array) => (printed.stdout += text) },
    stderr: { write: (text: string) => (printed.stderr += text) },
  };
  const status = await runCommandLine(args, streams, { environment, directory });
  return { status, ...printed };
}

describe("the repository", () => {
  test("may be named by the file or the environment", async () => {
    expect(await run(["status"])).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/no repository is given\n {2}→ give --repo/),
    });
    expect((await run(["status"], { THINKBACK_REPO: repo })).status).toBe(0);
    await configure(`repo: ${repo}`);
    expect((await run(["status"])).status).toBe(0);
    expect((await run(["pin", "list"])).status).toBe(0);
    // The environment counts before the file.
    expect((await run(["status"], { THINKBACK_REPO: `${repo}x` })).status).toBe(4);
  });
});

test("a file with an error is refused by every command, and by those with options of their own", async () => {
  await configure(`repo: ${repo}\ncapture:\n  tikc: 1s\n  copies: none\n`);
  for (const command of [["status"], ["status", "--repo", repo], ["config", "show"]]) {
    const { status, stderr } = await run(command);
    expect(stderr).toMatch(
      /thinkback\.yaml:[34]: capture\.(tikc|copies).*\n {2}→ .*config check` lists 2 errors\n/,
    );
    expect(status).toBe(2);
  }
  expect((await run(["status", "--repo", repo, "--config", "/dev/null"])).status).toBe(0);
});

test("a file that is named and is not there is refused", async () => {
  for (const [args, environment] of [
    [["--config", "none.yaml"], {}],
    [[], { THINKBACK_CONFIG: "none.yaml" }],
  ] as const) {
    const { status, stderr } = await run(["status", "--repo", repo, ...args], environment);
    expect(stderr).toMatch(/cannot read the configuration file .*none\.yaml: ENOENT.*\n {2}→ /);
    expect(status).toBe(2);
  }
});

test("an error of a value says where the value comes from", async () => {
  await configure("capture:\n  tick: 5h\n");
  const args = ["run", "--repo", join(directory, "none"), "--source", nowhere];
  const { status, stderr } = await run(args);
  expect(stderr).toMatch(
    /--tick "5h" is not .* \(--tick comes from capture\.tick in .*thinkback\.yaml:2\)/,
  );
  expect(status).toBe(2);
  const { stderr: ofVariable } = await run(args, { THINKBACK_TICK: "2h" });
  expect(ofVariable).toContain("(--tick comes from THINKBACK_TICK)");
  expect((await run([...args, "--tick", "5h"])).stderr).not.toContain("comes from");
});

describe("what has no effect", () => {
  test("in the file is left out", async () => {
    await configure(
      `repo: ${repo}\nmaintenance: { keep: "all:1d", auto: true, restore_within: 10m, grace: 1m, delete: false }\n` +
        "capture: { standby: true }\n",
    );
    // Maintenance refuses --auto beside --restore-within, and --grace beside --no-delete.
    expect(await run(["maintain"])).toMatchObject({ status: 0, stderr: "" });
    const { stderr, status } = await run(["run", "--once", "--source", nowhere]);
    expect(stderr).toContain("cannot connect");
    expect(status).toBe(3);
  });

  test("on the command line is refused, also beside the file", async () => {
    await configure(`repo: ${repo}\nmaintenance: { restore_within: 10m, delete: false }\n`);
    const { status, stderr } = await run(["maintain", "--auto"]);
    expect(stderr).toMatch(
      /--auto has no effect beside --restore-within, which maintenance\.restore_within in .*:2 gives/,
    );
    expect(status).toBe(2);
    const { stderr: grace } = await run(["expire", "--grace", "1m"]);
    expect(grace).toMatch(/--grace has no effect beside --no-delete, which maintenance\.delete/);
    expect((await run(["expire", "--grace", "1m"], { THINKBACK_DELETE: "true" })).status).toBe(0);
  });

  test("without another option is allowed if the file gives that one", async () => {
    const args = ["run", "--repo", join(directory, "none"), "--source", nowhere];
    const limited = [...args, "--spool-limit", "1GiB"];
    expect((await run(limited)).stderr).toMatch(/--spool-limit has no effect without --spool/);
    await configure(`capture: { spool: ${join(directory, "spool")} }`);
    expect((await run(limited)).status).toBe(3);
  });
});

describe("config check", () => {
  test("finds nothing in what is right", async () => {
    await configure(`repo: ${repo}`);
    const { status, stdout } = await run(["config", "check"]);
    expect(stdout).toMatch(/thinkback\.yaml: 0 errors, 0 warnings\n$/);
    expect(status).toBe(0);
    await rm(join(directory, "thinkback.yaml"));
    expect(await run(["config", "check"])).toMatchObject({
      status: 0,
      stdout: "no configuration file: 0 errors, 0 warnings\n",
    });
  });

  test("prints each finding with its line, and ends with the status of usage", async () => {
    await configure(
      "source:\n  file: /none/secret\n  urll: x\ncapture:\n  tick: soon\nrepo: [/a, /b]\n",
    );
    const { status, stdout, stderr } = await run(["config", "check"], {
      THINKBACK_COPIES: "0",
      THINKBACK_TIKC: "1s",
    });
    expect(stdout.match(/^(error|warning) .*$/gm)).toEqual([
      expect.stringMatching(/^error .*yaml:3: source\.urll is not a key/),
      expect.stringMatching(/^error .*yaml:5: capture\.tick: "soon" is not a duration/),
      expect.stringMatching(/^error .*THINKBACK_COPIES: "0" is not/),
      expect.stringMatching(
        /^error .*source: cannot read the file of source\.file in .*yaml:2: ENOENT/,
      ),
      expect.stringMatching(/^warning .*THINKBACK_TIKC: no option has this variable/),
    ]);
    expect(stdout).toMatch(/→ did you mean source\.url\?/);
    expect(stderr).toMatch(/the configuration has 4 errors/);
    expect(status).toBe(2);
    const json = await run(["config", "check", "--json"]);
    expect(JSON.parse(json.stdout)).toMatchObject({ valid: false, findings: expect.any(Array) });
    expect(json.status).toBe(2);
  });
});

test("config show says each value and its origin, without passwords", async () => {
  await configure(
    `repo: ${repo}\nsource:\n  url: [rethinkdb://ann:S3cret@a, rethinkdb://ann@b]\n  password: S3cret\nmaintenance: { auto: true }\n`,
  );
  const { status, stdout, stderr } = await run(["config", "show"], { THINKBACK_TICK: "2s" });
  expect([status, stderr]).toEqual([0, ""]);
  expect(stdout).toMatch(/^source\.url +rethinkdb:\/\/ann:\*{3}@a rethinkdb:\/\/ann@b +\/.*:3$/m);
  expect(stdout).toMatch(/^source\.password +\*{3} +\/.*yaml:4$/m);
  expect(stdout).toMatch(/^capture\.tick +2s +THINKBACK_TICK$/m);
  expect(stdout).toMatch(/^capture\.copies +2 +default$/m);
  expect(stdout).toMatch(/^maintenance\.auto +true +\/.*:5$/m);
  const json = await run(["config", "show", "--json"]);
  const { file, settings } = JSON.parse(json.stdout) as {
    file: string;
    settings: { key: string; value: unknown; origin: string }[];
  };
  expect(file).toBe(join(directory, "thinkback.yaml"));
  expect(settings.find(({ key }) => key === "source.url")).toMatchObject({
    value: ["rethinkdb://ann:***@a", "rethinkdb://ann@b"],
    origin: "file",
  });
  expect(stdout + json.stdout).not.toContain("S3cret");
});

describe("a secret in a file", () => {
  const args = () => ["run", "--repo", join(directory, "none")];

  test("is the address, or the password; a newline at its end is cut", async () => {
    const file = join(directory, "source-url");
    await writeFile(file, "rethinkdb://ann:S3cret@127.0.0.1:1\n", { mode: 0o600 });
    const { status, stderr } = await run([...args(), "--source-file", file]);
    expect(stderr).toContain("cannot connect to rethinkdb://ann@127.0.0.1:1");
    expect(status).toBe(3);
  });

  test.each([
    ["missing", undefined, /cannot read the file of --source-file: ENOENT/],
    ["empty", "\n", /the file of --source-file is empty/],
    ["several lines", "a\nb\n", /the file of --source-file holds more than one line/],
    ["no address", "S3cret", /cannot read the address/],
  ])("that is %s is an error", async (name, text, message) => {
    const file = join(directory, name);
    if (text !== undefined) await writeFile(file, text, { mode: 0o600 });
    const { status, stderr } = await run([...args(), "--source-file", file]);
    expect(stderr).toMatch(message);
    expect(stderr).not.toContain("S3cret");
    expect(status).toBe(2);
  });
});

test("a password on the command line is warned of, and what to do instead", async () => {
  const target = "rethinkdb://ann:S3cret@127.0.0.1:1";
  const args = ["drill", "--repo", repo, "--target"];
  const { stderr } = await run([...args, target]);
  expect(stderr).toMatch(/--target holds a password\. Other users .* \(ps\)/);
  expect(stderr).toMatch(/--password-file, THINKBACK_TARGET_PASSWORD, --target-file/);
  expect(stderr).not.toContain("S3cret");
  expect((await run([...args, nowhere])).stderr).not.toContain("holds a password");
  const inside = await run(["drill", "--repo", repo], { THINKBACK_TARGET: target });
  expect(inside.stderr).not.toContain("holds a password");
});

test("a URL of which all is a secret is not repeated, and not shown", async () => {
  const given = ["run", "--repo", join(directory, "none"), "--source", nowhere, "--heartbeat-url"];
  const wrong = await run([...given, "ftp://127.0.0.1/S3cret"]);
  expect(wrong.stderr).toContain("--heartbeat-url holds no address of the web");
  expect(wrong.status).toBe(2);
  const environment = { THINKBACK_HEARTBEAT_URL: "https://127.0.0.1:1/ping/S3cret" };
  const shown = await run(["config", "show"], environment);
  expect(shown.stdout).toMatch(/health\.heartbeat_url +\*\*\* +THINKBACK_HEARTBEAT_URL/);
  for (const { stdout, stderr } of [wrong, shown]) expect(stdout + stderr).not.toContain("S3cret");
});

test.each([
  ["--sorce=rethinkdb://ann:S3cret/a b@db"],
  ["rethinkdb://ann:S3cret@db"],
  ["--at", "rethinkdb://ann:S3cret@db"],
  ["--repo", "file://ann:S3cret@db/x"],
  ["--repo", "gopher://ann:S3cret@db/x"],
])("a secret in a wrong place is not repeated: show %s", async (...args) => {
  const more = args[0] === "--repo" ? [] : ["--repo", repo];
  for (const json of [[], ["--json"]]) {
    const { status, stdout, stderr } = await run(["show", "a.b", "1", ...args, ...more, ...json]);
    expect(stdout + stderr).not.toContain("S3cret");
    expect(status).toBe(2);
  }
});

test("config show prints all repositories, in the table and as JSON", async () => {
  await configure("repo: [/srv/backup, /mnt/copy]");
  expect((await run(["config", "show"])).stdout).toMatch(/^repo +\/srv\/backup \/mnt\/copy /m);
  const { settings } = JSON.parse((await run(["config", "show", "--json"])).stdout) as {
    settings: { key: string; value: unknown }[];
  };
  expect(settings.find(({ key }) => key === "repo")?.value).toEqual(["/srv/backup", "/mnt/copy"]);
});

describe("a secret in a file", () => {
  const file = () => join(directory, "secret");
  const where = (key: string, line: number) =>
    new RegExp(`${key} in ${join(directory, "thinkback.yaml")}:${line}`);

  test("that others may read is warned of, with what names it, also a key", async () => {
    await writeFile(file(), "x");
    await chmod(file(), 0o644);
    await configure(`repo: ${repo}\nsource:\n  url: ${nowhere}\n  password_file: ${file()}\n`);
    for (const command of [["doctor"], ["config", "check"]]) {
      const { stdout, stderr } = await run(command);
      expect(stdout + stderr).toMatch(/other users may read .*secret, which source\.password_file/);
      expect(stdout + stderr).toMatch(where("source.password_file", 4));
    }
    await configure("");
    const made = join(directory, "made.key");
    expect((await run(["key", "new", made])).status).toBe(0);
    const given = ["status", "--repo", repo, "--identity", made];
    expect((await run(given)).stderr).not.toMatch(/other users/);
    await chmod(made, 0o640);
    expect((await run(given)).stderr).toMatch(/may read .*made\.key, which --identity names/);
    await rm(made);
  });

  test("that cannot be read is an error that names the file, the key and the line", async () => {
    await configure(`repo: ${repo}\nsource:\n  url: ${nowhere}\n  password_file: ${file()}.none\n`);
    for (const command of [["doctor"], ["config", "check"]]) {
      const { status, stdout, stderr } = await run(command);
      expect(status).toBe(2);
      expect(stdout + stderr).toMatch(/secret\.none/);
      expect(stdout + stderr).toMatch(where("source.password_file", 4));
      if (command[0] === "config") expect(stdout).not.toMatch(/--password-file/);
    }
    await configure(`repo: ${repo}\nkeys:\n  identity: ${file()}.none\n`);
    const { status, stderr } = await run(["status"]);
    expect([status, stderr]).toEqual([2, expect.stringMatching(where("keys.identity", 3))]);
    expect(stderr).toMatch(/check its path/);
  });
});
