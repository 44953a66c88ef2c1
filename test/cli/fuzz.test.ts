/**
 * Every option, URL and path of the command line, with values that mean something and values that do not: whatever is
 * given is looked at, nothing ends as a defect, and nothing with a stack.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runCommandLine } from "../../src/cli/program.js";
import { exitStatus } from "../../src/errors.js";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import { makeRepository, Recording, StillClock } from "../repository/recording.js";

const table = "0a000000-0000-4000-8000-000000000001";
const spool = join(tmpdir(), `thinkback-fuzz-spool-${process.pid}`);
/** Nothing listens there. */
const nowhere = "rethinkdb://127.0.0.1:1";

let directory: string;
let repo: string;

beforeAll(async () => {
  // What is not given must not come from the machine that the test runs on.
  process.env["THINKBACK_SOURCE"] = nowhere;
  process.env["THINKBACK_TARGET"] = nowhere;
  process.setMaxListeners(0);
  directory = await mkdtemp(join(tmpdir(), "thinkback-fuzz-"));
  repo = join(directory, "repository");
  await writeFile(join(directory, "file"), "mine");
  const repository = await makeRepository(new DirectoryStore(repo));
  const recording = await Recording.begin(repository, new StillClock(Date.now() - 60_000));
  recording.catalogRead();
  recording.catalog(["db", "d1"], { id: "d1", name: "shop" });
  const shards = [{ primary_replica: "one", replicas: ["one"], nonvoting_replicas: [] }];
  const settings = { durability: "hard", write_acks: "majority", write_hook: null, indexes: [] };
  const config = { id: table, db: "shop", name: "orders", primary_key: "id", shards, ...settings };
  recording.catalog(["table", table], config);
  const since = recording.log.stamp().time;
  recording.coverage(table, { state: "copying", since });
  const base = await recording.copy(table, [["k", { id: "k" }]]);
  const instant = await recording.tick(50);
  await base.finish(instant, since - 1);
  recording.coverage(table, { state: "live", since: instant });
  await recording.tick(50, { closed: true });
});

afterAll(() => rm(directory, { recursive: true, force: true }));

interface Ended {
  status: number;
  printed: string;
}

async function run(args: string[]): Promise<Ended> {
  let printed = "";
  const stream = { write: (text: string) => (printed += text) };
  return { status: await runCommandLine(args, { stdout: stream, stderr: stream }), printed };
}

const times = [
  "now",
  "1m ago",
  "0s ago",
  "2026-11-21",
  "10:04",
  "999999999d ago",
  "2100-01-01",
].concat("before:", "before:nothing", "before:drop-000000", "before:deletes-mzzzzzzz-00");
const names = ["shop.orders", "shop", "shop.", ".orders", "a.b.c", "shop.*", "*", "", "\u{1F600}"];
const durations = ["1s", "10ms", "0s", "1h30m", "1 day", "5", "-1s", "9999999999999999999w", "60d"];
const sizes = ["512MiB", "2GB", "1", "0", "-1", "1e3", "99999999999999999TiB"];
const counts = ["1", "2", "0", "-1", "1.5", "1e2", "0x10", "", "999999999999"];
const tiers = ["all:7d", "all:7d, 1m:30d", "all:forever", "1m:1d", "all:999999y", ":", "all:7d,"];
const crons = ["0 3 * * *", "* * * * *", "0 3 * *", "61 * * * *", "0 0 31 2 *"];
const urls = [
  "",
  "?tls=1",
  "?ssl=true",
  "/shop",
  ":0",
  "?ca=/nowhere.pem",
  "#x",
  "?tls=true&tls=true",
]
  .map((end) => nowhere + end)
  .concat("rethinkdb://a:%zz@127.0.0.1:1", "http://127.0.0.1", "rethinkdb:", "127.0.0.1:28015");
const hooks = ["http://127.0.0.1:1/x", "https://a:b@127.0.0.1/", "ftp://127.0.0.1", "x", ""];
const renames = ["shop=store", "shop.orders=a.b", "shop=", "=", "a=b=c", "shop.orders=store"];
const secretFiles = ["/none/secret", "/dev/null", "/proc", "", import.meta.filename];
const flag = [undefined];

const maintained = {
  "--keep": tiers,
  "--fold-every": durations,
  "--fold-at": crons,
  "--restore-within": durations,
  "--auto": flag,
  "--grace": durations,
  "--no-delete": flag,
  "--single-writer": flag,
};
const gaps = ["before", "after", "BEFORE", "", "both"];
const head = ["0/1.1/" + "0".repeat(64), "keys/1/" + "0".repeat(64), "0/1.1", "", ","];
const past = { "--store-as-of": times };
/** The options that say which documents are meant. */
const selection = {
  "--key": ["k", "@/none", "@/dev/null", ""],
  "--between": ["a..b", "..", "a", "..b", ""],
  "--where": ['{"a":1}', "{", "[]", '{"$where":"1"}', '{"a":{"$regex":"("}}'],
  "--tenant": secretFiles,
  "--tenant-id": ["c42", "42", "null", '{"$ne":1}', ""],
};
const choice = { "--at": times, "--table": names, "--db": names };

/** Commands that take several copies of a repository. */
const ofCopies = [
  ..."run restore drill status show plan verify catalog history diff points table export".split(
    " ",
  ),
  ..."preview follow".split(" "),
  "evidence export",
];

type Options = Record<string, (string | undefined)[]>;

/** Every option of every command, but --repo and --json, which all have. */
const queries = ["{}", '{"a": {"$gt": 1}}', '{"$where": "1"}', "[", "1", '{"$x": 1}', ""];
const selecting = {
  "--key": ["k", "42", '["a"]', "{}", "@/none", "@", "null", ""],
  "--between": ["a..b", "a..", "..", "b..a", "a..b..c", "{}..a", ""],
  "--where": queries,
  "--tenant": ["/none", "/dev/null", ""],
  "--tenant-id": ["c42", "42", "null", '{"$ne":1}', ""],
};
const selected = {
  ...selecting,
  "--dry-run": flag,
  "--table": names,
  "--db": names,
  "--plan": ["/none/plan.json", "/dev/null", "/proc/plan", ""],
  "--undoable-for": durations,
  "--keep-added": flag,
  "--gap": gaps,
  "--allow-inexact": flag,
  "--gentle": flag,
  "--max-rate": ["5000", "10MiB", "0", "x", ""],
  "--profile": ["aws-s3-standard", "none", "aws", ""],
  "--prices": ["/nowhere", "/dev/null", "/proc/self/mem", ""],
  "--target": urls,
  "--target-file": secretFiles,
  "--password-file": secretFiles,
};

/** Nothing can be written there. */
const outs = ["/proc/none/out", "/dev/null", "/proc", "/dev/null/x.csv", ""];

const commands: Record<string, Options> = {
  undo: {
    ...selected,
    "--from": times,
    "--to": times,
    "--operation": ["0123abcd", "", "x"],
    "--on-conflict": ["refuse", "skip", "cascade", "force", "", "Skip"],
    "--field": ["status", "a.b", "", ".", "id"],
    "--ignore-field": ["rev", "a.b", "", "."],
  },
  preview: {
    ...past,
    ...choice,
    ...selecting,
    "--target": urls,
    "--target-file": secretFiles,
    "--password-file": secretFiles,
    "--gap": gaps,
    "--allow-inexact": flag,
    "--nearest": flag,
    "--for": durations.slice(0, 3).concat("-1s", "5"),
    "--http": flag,
    "--clean": flag,
  },
  follow: {
    "--target": urls,
    "--target-file": secretFiles,
    "--password-file": secretFiles,
    "--table": names,
    "--db": names,
    "--until": times,
    "--check": flag,
    "--with-access": flag,
    "--drop": flag,
    "--overwrite": flag,
    "--finish": flag,
    "--every": durations,
  },
  rewind: { ...selected, "--at": times },
  export: {
    ...selecting,
    ...choice,
    ...past,
    "--format": ["rethinkdb-dump", "ndjson", "csv", "xml", ""],
    "--out": outs,
    "--fields": ["id", "", "a.b"],
    "--gap": gaps,
    "--allow-inexact": flag,
    "--nearest": flag,
  },
  import: { "--began": times, "--ended": times, "--leave-out-incomplete": flag },
  run: {
    "--recoveries": flag,
    "--recovery-target": ["a=/none", "a", "=", "A=/dev/null", "live=/dev/null", ""],
    "--source": urls,
    "--source-file": secretFiles,
    "--password-file": secretFiles,
    "--redis-file": secretFiles,
    "--redis": ["redis://127.0.0.1:1", "http://x", "", "redis://", "redis+sentinel://127.0.0.1:1"],
    "--role": ["capture", "capture,api", "captur", ",", ""],
    "--include": names,
    "--exclude": names,
    "--tick": durations,
    "--once": flag,
    "--copies": counts,
    "--spool": [spool, "/proc/x", "/dev/null", "rethinkdb://x", ""],
    "--spool-limit": sizes,
    "--standby": flag,
    "--take-over": flag,
    "--trust-clock": flag,
    "--accept-cluster": flag,
    "--forget-server": names,
    "--tick-max": durations,
    "--drill-at": crons,
    "--drill-target": urls,
    "--drill-target-file": secretFiles,
    "--expect": secretFiles,
    "--no-fold": flag,
    "--maintain-every": durations,
    "--log-level": ["error", "loud", ""],
    "--api": ["127.0.0.1:0", "0.0.0.0:7070", "[::1]:0", "x", ":1", "127.0.0.1:99999", ""],
    "--api-host": ["backup.example.com", "x:1", "a b", ""],
    "--api-cert": secretFiles,
    "--api-key": secretFiles,
    "--api-insecure": flag,
    "--metrics": ["0", "127.0.0.1:0", "[::1]:0", "1", ":", "256.0.0.1:0", "70000", ""],
    "--heartbeat-url": ["http://127.0.0.1:1/x", "file:///etc/passwd", "http://", "x", ""],
    "--heartbeat-url-file": secretFiles,
    "--expect-head": head,
    "--alarm-webhook": hooks,
    "--alarm-webhook-file": secretFiles,
    "--alarm-slack-file": secretFiles,
    "--alarm-command": ["true", "exit 3", ""],
    "--alarm-after": ["store-away=10m", "store-away=off", "store-away", "x=1m", "behind=1s=2s", ""],
    "--alarm-behind": durations,
    "--alarm-digest": crons,
    "--mass-change": ["10%/1m", "off", "0%/1m", "101%/1m", "10%", "10%/1d", "x/1m", ""],
    ...maintained,
  },
  restore: {
    ...past,
    ...choice,
    ...selection,
    "--target": urls,
    "--target-file": secretFiles,
    "--password-file": secretFiles,
    "--rename": renames,
    "--dry-run": flag,
    "--gap": gaps,
    "--allow-inexact": flag,
    "--nearest": flag,
    "--without-access": flag,
    "--expect-head": head,
    "--beside": flag,
    "--max-rate": [...sizes, ...counts, "5000/s"],
    "--gentle": flag,
    "--mask": secretFiles,
    "--allow-unused-rules": flag,
    "--report": ["/nowhere/r.json", "/dev/null", "/proc", ""],
  },
  promote: {
    "--target": urls,
    "--target-file": secretFiles,
    "--password-file": secretFiles,
    "--from": names,
    "--back": flag,
    "--force": flag,
    "--dry-run": flag,
  },
  drill: {
    ...past,
    ...choice,
    "--target": urls,
    "--target-file": secretFiles,
    "--password-file": secretFiles,
    "--latest": flag,
    "--clean": flag,
    "--expect": secretFiles,
    "--expect-head": head,
  },
  status: { ...past, "--hide-dropped": flag },
  show: { ...past, "--at": times, "--gap": gaps, "--allow-inexact": flag, "--nearest": flag },
  history: { ...past, "--from": times, "--to": times },
  diff: {
    ...past,
    ...selecting,
    "--from": times,
    "--to": times,
    "--at": times,
    "--live": flag,
    "--gap": gaps,
    "--allow-inexact": flag,
    "--nearest": flag,
    "--fields": flag,
    "--limit": counts,
    "--target": urls,
    "--target-file": secretFiles,
    "--password-file": secretFiles,
  },
  points: { ...past, "--from": times, "--to": times, "--all": flag, "--without-bursts": flag },
  table: {
    ...past,
    "--reads": flag,
    "--profile": ["aws-s3-standard", "none", "aws", ""],
    "--prices": ["/nowhere", "/dev/null", "/proc/self/mem", ""],
  },
  mark: { "--at": times },
  fold: { "--at": times, "--table": names },
  expire: { "--keep": tiers, "--grace": durations, "--no-delete": flag, "--dry-run": flag },
  maintain: { ...maintained, "--expect-head": head },
  plan: {
    ...past,
    "--keep": tiers,
    "--price-storage": [...counts, "0.023", "Infinity"],
    "--price-put": counts,
    "--price-get": counts,
    "--profile": ["aws-s3-standard", "none", "aws", ""],
    "--prices": ["/nowhere", "/dev/null", "/proc/self/mem", ""],
  },
  verify: {
    ...past,
    "--expect-head": head,
    "--data": flag,
    "--sample": ["5%", "0%", "101%", "5", "", "0.0000001%", "1e1%"],
  },
  repair: { "--data": flag, "--dry-run": flag },
  "evidence export": {
    "--from": times,
    "--to": times,
    "--out": ["/proc/none/out", "/dev/null", ""],
    "--sign": secretFiles,
  },
  doctor: {
    "--source": urls,
    "--source-file": secretFiles,
    "--password-file": secretFiles,
    "--spool": [spool, "/nowhere", "", "rethinkdb://x"],
    "--redis-file": secretFiles,
    "--redis": ["redis://127.0.0.1:1", "http://x", "", "redis://", "127.0.0.1"],
    "--read-only": flag,
  },
  catalog: { ...past, "--at": times },
  acknowledge: { "--at": times, "--note": ["known", ""] },
  "pin add": {
    "--at": times,
    "--note": ["known", ""],
    "--for": durations,
    "--around": durations,
    "--allow-inexact": flag,
  },
  "lanes list": {},
  "lanes set": {},
  "recoveries list": {},
  "recoveries show": { "--follow": flag },
  "recoveries request": { "--idempotency-key": ["a", ""], "--confirm": flag },
  "recoveries confirm": { "--number": ["1", "3", "0", "-1", "1.5", "x", ""] },
  "recoveries approve": {},
  "recoveries cancel": {},
  "recoveries approval": {},
  "alarm list": {},
  "alarm test": {
    "--alarm-webhook": hooks,
    "--alarm-webhook-file": secretFiles,
    "--alarm-slack-file": secretFiles,
    "--alarm-command": ["true", "exit 3", ""],
  },
  "alarm silence": { "--for": durations, "--reason": ["known", ""] },
  "alarm unsilence": {},
  "pin list": {},
  "key list": {},
  "key remove": { "--distrust": flag },
  "key card": {},
  "key drill": {},
  "pin remove": {},
  "token create": {
    "--role": ["viewer", "operator", "approver", "admin", "root", ""],
    "--expires": durations,
  },
  "token list": {},
  "token revoke": {},
};
const noKeys = ["{}", "null", "1e999", "-1e999", "[null]", '{"a":1}', "[[{}]]"]
  .concat('{"$reql_type$":"TIME"}', '{"$reql_type$":"BINARY","data":1}')
  .concat("[".repeat(20_000) + "]".repeat(20_000));
const keys = ["k", '"k"', "42", "-0", "[1", "", "[".repeat(20_000), '["a",1]', "\u0001"]
  .concat('{"$reql_type$":"TIME","epoch_time":1,"timezone":"+00:00"}', "[]", "{", "nul")
  .concat(noKeys);
const positional: Record<string, string[][]> = {
  show: [names, keys],
  history: [names, keys],
  diff: [names],
  points: [names],
  table: [names],
  mark: [["deploy 42", "list", "add", "", " x", "\u0007", "y".repeat(300), "before:x"]],
  acknowledge: [names],
  undo: [names],
  rewind: [names],
  promote: [["shop.orders_at_20261128T100400Z", "shop.orders", "orders", "a.b.c", ""]],
  import: [["/dev/null", "/none/dump.tar.gz", "/proc", "/", "", import.meta.filename]],
  "alarm silence": [["store-away", "store-awai", "behind-0123abcd", "", "x"]],
  "alarm unsilence": [["store-away", "behind-0123abcd", ""]],
  "pin add": [["release", "Release", "", "a/b", ".."]],
  "pin remove": [["release", "../x", ""]],
  "key remove": [["reader", "nobody", ""]],
  "recoveries show": [["0123abcd", "x", "../x", ""]],
  "recoveries request": [["drill", "restore", "rewind", "export", ""]],
  "recoveries confirm": [["0123abcd", "x", ""]],
  "recoveries approve": [["0123abcd", "x", ""]],
  "recoveries cancel": [["0123abcd", "x", ""]],
  "recoveries approval": [["none", "live", "all", "some", ""]],
  "token create": [["anna", "Anna", "", "../x"]],
  "token revoke": [["nobody", "anna", "../x", ""]],
  "lanes set": [["0", "1", "2", "65", "x", "", "-1", "1e3"]],
};

/** The words of a command with what it takes beside options. */
const words = (command: string) =>
  fc
    .tuple(...(positional[command] ?? []).map((of) => fc.constantFrom(...of)))
    .map((given) => [...command.split(" "), ...given]);

function commandLine(command: string, repos: string[]): fc.Arbitrary<string[]> {
  const options = Object.entries(commands[command]!);
  const option = fc.oneof(
    ...options.map(([name, values]) =>
      fc.constantFrom(...values).map((value) => (value === undefined ? [name] : [name, value])),
    ),
    fc.constant(["--json"]),
    fc.constantFrom(...secretFiles).map((file) => ["--identity", file]),
    fc.constantFrom("0".repeat(64), "x", "").map((trusted) => ["--trust", trusted]),
  );
  return fc
    .tuple(words(command), fc.constantFrom(...repos), fc.array(option, { maxLength: 4 }))
    .map(([of, at, given]) => [...of, "--repo", at, ...given.flat()]);
}

/** Options that a command cannot do without. */
const mandatory: Record<string, Record<string, string>> = {
  acknowledge: { "--at": "now", "--note": "known" },
  export: { "--out": "/proc/none/out" },
  "evidence export": { "--from": "2026-11-01T00:00:00Z" },
  "token create": { "--role": "viewer" },
  "alarm silence": { "--for": "2h", "--reason": "known" },
};

const documented = new Set<number>([0, ...Object.values(exitStatus)]);

function judge({ status, printed }: Ended): void {
  expect(printed).not.toMatch(/^\s+at .*:\d+:\d+\)?$/m);
  expect(status).not.toBe(exitStatus.internal);
  expect(documented).toContain(status);
}

test("the commands and options here are all that there are", async () => {
  for (const [command, options] of Object.entries(commands)) {
    const { printed } = await run([...command.split(" "), "--help"]);
    const there = [...printed.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)/gm)].map(([, name]) => name);
    const common = ["--identity", "--trust", "--repo", "--config", "--json", "--help"];
    const known = [
      ...Object.keys(options),
      ...common,
      ...(command === "catalog" ? ["--diff"] : []),
    ];
    expect(new Set(there)).toEqual(new Set(known));
  }
  const { printed } = await run(["--help"]);
  for (const [, name] of printed.matchAll(/^ {2}([a-z]+)(?:\||\s).*$/gm)) {
    if (
      [
        "help",
        "pin",
        "lanes",
        "recoveries",
        "key",
        "alarm",
        "init",
        "copy",
        "config",
        "evidence",
        "token",
        // It goes on until a signal: test/console tries it.
        "console",
      ].includes(name!)
    )
      continue;
    expect(Object.keys(commands)).toContain(name);
  }
});

describe.each(Object.keys(commands))("%s", (command) => {
  test("whatever is given ends with a status that is documented, and without a stack", async () => {
    const repos = [repo, join(directory, "none"), join(directory, "file"), "", "s3://bucket"];
    const more = [join(repo, "x".repeat(300)), "/dev/null/x", "/proc/self/mem"];
    const known = command === "run" ? [...repos.slice(2), ...more] : [...repos, ...more];
    await fc.assert(
      fc.asyncProperty(commandLine(command, known), async (args) => judge(await run(args))),
      { numRuns: 60, seed: 20261121 },
    );
  });

  /** What has to be given, but for one option. */
  const owed = (but?: string) =>
    Object.entries(mandatory[command] ?? {})
      .filter(([name]) => name !== but)
      .flat();
  const good = [...command.split(" "), ...(positional[command] ?? []).map(([first]) => first!)];

  test.each([["--unheard-of"], ["--unheard-of=1"], ["surplus"], ["--repo", "again"]])(
    "refuses what it does not know, or has already: %s %s",
    async (...alien) => {
      // Another place is a copy of the repository; the same one twice is a mistake.
      const own = alien[1] === "again" && ofCopies.includes(command) ? ["--repo", repo] : alien;
      const { status, printed } = await run([...good, ...owed(), "--repo", repo, ...own]);
      expect(printed).toMatch(
        /unheard-of|too many arguments|a mark is one text|"surplus" is not a table|--repo (?:\S+ )?is given twice/,
      );
      expect(status).toBe(exitStatus.usage);
    },
  );

  /** What is taken as it is: a note is a text, a spool a directory that may not be there yet, a field has any name. */
  const texts = ["--note", "--key", "--tenant-id", "--fields", "--field", "--ignore-field"].concat(
    "--idempotency-key",
    "--reason",
    "--alarm-command",
  );
  const free = [...texts, "--spool", "--report", "--out"];
  const valued = Object.entries(commands[command]!).filter(
    ([name, values]) => values !== flag && !free.includes(name),
  );
  const needs: Record<string, string[]> = {
    "--tick-max": ["--auto"],
    "--spool-limit": ["--spool", spool],
    "--drill-target": ["--drill-at", "0 3 * * *"],
    "--drill-target-file": ["--drill-at", "0 3 * * *"],
    "--recovery-target": ["--recoveries"],
    ...(command === "run" ? { "--expect": ["--drill-at", "0 3 * * *"] } : {}),
    "--tenant": ["--tenant-id", "c42"],
    "--api-host": ["--api", "127.0.0.1:0"],
    "--api-cert": ["--api", "127.0.0.1:0", "--api-key", import.meta.filename],
    "--api-key": ["--api", "127.0.0.1:0", "--api-cert", import.meta.filename],
  };
  const ofLive = ["--at", "--target", "--target-file", "--password-file"];
  /** A comparison is with the live table, or between two instants. */
  const compared = (name: string) => {
    if (command !== "diff" || name === "--from") return [];
    return ofLive.includes(name) ? ["--live"] : ["--from", "now"];
  };
  test("looks at the value of each of its options", async () => {
    for (const [name] of valued) {
      const at = command === "run" ? join(directory, "none") : repo;
      const args = [...good, ...owed(name), "--repo", at, ...(needs[name] ?? [])].concat(
        compared(name),
      );
      const { status, printed } = await run([...args, name, "?garbage?"]);
      expect([name, status, printed]).toEqual([
        name,
        expect.toSatisfy((of: number) => of === exitStatus.usage || of === exitStatus.unknown),
        expect.stringMatching(/\?garbage\?|address/),
      ]);
      expect((await run([...args, name, ""])).status).toBe(exitStatus.usage);
    }
  });
});

test.each([
  ["run", "--tick-max", "2s"],
  ["run", "--spool-limit", "1GB"],
  ["run", "--drill-target", nowhere],
  ["run", "--drill-target-file", "/none"],
  ["run", "--expect", "/none"],
  ["run", "--once", "--standby"],
  ["run", "--once", "--api", "127.0.0.1:0"],
  ["run", "--api-insecure"],
  ["run", "--api-host", "backup"],
  ["run", "--api-cert", "/none"],
  ["run", "--api-key", "/none"],
  ["run", "--once", "--metrics", "9464"],
  ["run", "--once", "--heartbeat-url", nowhere],
  ["run", "--once", "--heartbeat-url-file", "/none"],
  ["run", "--once", "--keep", "all:7d"],
  ["run", "--no-fold", "--grace", "1m"],
  ["run", "--once", "--drill-at", "0 3 * * *"],
  ["expire", "--grace", "1m", "--no-delete"],
  ["maintain", "--grace", "1m", "--no-delete"],
  ["catalog", "--at", "now", "--diff", "now", "now"],
  ["diff", "shop.orders", "--from", "now", "--target", nowhere],
  ["diff", "shop.orders", "--from", "now", "--target-file", "/none"],
  ["diff", "shop.orders", "--from", "now", "--password-file", "/none"],
  ["diff", "shop.orders", "--from", "now", "--json", "--fields"],
  ["restore", "--without-access", "--table", "shop.orders"],
  ["restore", "--beside", "--rename", "shop=store"],
  ["restore", "--without-access", "--beside"],
  ["promote", "shop.orders", "--back", "--from", "shop.b"],
  ["restore", "--without-access", "--db", "shop"],
  ["restore", "--without-access", "--key", "k"],
  ["restore", "--without-access", "--between", "a..b"],
  ["restore", "--without-access", "--where", "{}"],
  ["restore", "--without-access", "--tenant", "/none", "--tenant-id", "c42"],
  ["maintain", "--auto", "--restore-within", "1m"],
])("an option that could not count is refused: %s %s", async (...args) => {
  const { status, printed } = await run([...args, "--repo", repo]);
  expect(printed).toMatch(/has no effect (without|beside)/);
  expect(status).toBe(exitStatus.usage);
});

test("a dry run of a restore says how fast it would write", async () => {
  const dry = ["restore", "--dry-run", "--repo", repo, "--gentle", "--max-rate"];
  const { printed } = await run([...dry, "10MiB"]);
  expect(printed).toContain("pace: at most 10.0 MiB a second\npace: one batch at a time");
  expect((await run([...dry, "5000", "--json"])).printed).toContain(
    '"maxRate":"5000","gentle":true',
  );
});

test.each(noKeys)("what cannot be a key is refused: %.40s", async (key) => {
  const { status, printed } = await run(["show", "shop.orders", key, "--repo", repo]);
  expect(printed).toMatch(/cannot be a primary key\n {2}→ a key that is not a string/);
  expect(status).toBe(exitStatus.usage);
});

test.each([
  [["run", "--once", "--once"], /--once is given twice/],
  [["run", "--role", "api"], /--role api has nothing to do/],
  [["run", "--no-fold", "--no-fold"], /--no-fold is given twice/],
  [["restore", "--dry-run", "--dry-run"], /--dry-run is given twice/],
  [["status", "--json", "--json"], /--json is given twice/],
  [["plan", "--keep", "all:7d", "--keep", "all:7d"], /--keep all:7d is given twice/],
  [["run", "--include", "shop", "--include", "shop"], /--include shop is given twice/],
])("what is given twice, or for nothing, is refused: %j", async (args, message) => {
  const { status, printed } = await run([...args, "--repo", repo]);
  expect(printed).toMatch(message);
  expect(status).toBe(exitStatus.usage);
});

test.each([
  ["show", "", "k"],
  ["show", "shop.orders", ""],
  ["acknowledge", "", "--at", "now", "--note", "known"],
  ["pin", "add", ""],
  ["pin", "remove", ""],
])("an empty word is refused: %s", async (...args) => {
  const { status, printed } = await run([...args, "--repo", repo]);
  expect(printed).toMatch(/is empty/);
  expect(status).toBe(exitStatus.usage);
});

test.each([
  [
    ["run", "--source", nowhere, "--auto", "--tick", "20s", "--tick-max", "10s"],
    /--tick-max 10s is shorter/,
  ],
  [["run", "--source", nowhere, "--auto", "--tick-max", "1ms"], /--tick-max 1ms is shorter/],
  [["drill", "--clean"], /--clean has no effect without --target/],
])(
  "an option that could not count is refused, by its value or what is set: %j",
  async (args, message) => {
    delete process.env["THINKBACK_TARGET"];
    try {
      const { status, printed } = await run([...args, "--repo", repo]);
      expect(printed).toMatch(message);
      expect(status).toBe(exitStatus.usage);
    } finally {
      process.env["THINKBACK_TARGET"] = nowhere;
    }
  },
);

test.each([
  ["restore", "--dry-run"],
  ["restore", "--dry-run", "--gap", "before"],
  ["restore", "--dry-run", "--allow-inexact"],
  ["show", "shop.orders", "k", "--allow-inexact"],
  ["show", "shop.orders", "k", "--gap", "before"],
  ["fold"],
  ["catalog"],
  ["pin", "add", "release", "--allow-inexact"],
])("an instant that is still to come is refused: %s %s %s %s", async (...args) => {
  const { status, printed } = await run([...args, "--at", "2099-01-01", "--repo", repo]);
  expect(printed).toMatch(/2099-01-01T00:00:00.000\+00:00 is still to come/);
  expect(status).toBe(exitStatus.instant);
});

test("a target that cannot be read is refused before the plan is printed", async () => {
  for (const more of [[], ["--dry-run"]]) {
    const args = ["restore", "--repo", repo, "--target", "garbage", ...more];
    const { status, printed } = await run(args);
    expect(printed).toMatch(/^thinkback: [^\n]*address[^\n]*\n {2}→ [^\n]*\n$/);
    expect(status).toBe(exitStatus.usage);
  }
});

test.each(["shop=rethinkdb", "shop.orders=rethinkdb.orders"])(
  "nothing is restored into the server's own database: --rename %s",
  async (rename) => {
    const { status, printed } = await run([
      "restore",
      "--repo",
      repo,
      "--dry-run",
      "--rename",
      rename,
    ]);
    expect(printed).toMatch(/rethinkdb is the server's own database/);
    expect(status).toBe(exitStatus.usage);
  },
);

test("a table that is named without its database is told how tables are named", async () => {
  const { status, printed } = await run([
    "restore",
    "--repo",
    repo,
    "--dry-run",
    "--table",
    "orders",
  ]);
  expect(printed).toMatch(/→ a table is named db\.table; tables known then: shop\.orders/);
  expect(status).toBe(exitStatus.unknown);
});

test("a command line that is not understood is told as JSON where --json is given", async () => {
  const { status, printed } = await run(["status", "--repo", repo, "--json", "--unheard-of"]);
  const message = expect.stringContaining("--unheard-of");
  expect(JSON.parse(printed)).toMatchObject({ error: { code: "usage", message } });
  expect(status).toBe(exitStatus.usage);
});
