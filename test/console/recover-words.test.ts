/** What the console asks for, and how it reads what commands print: without a browser. */
import { execFileSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { keyBytes } from "../../src/cli/key-text.js";
import { shellWord as shellWordOfCli } from "../../src/cli/output.js";
import { formOfRequest } from "../../src/console/pages/recover-again.js";
import {
  commandText,
  empty,
  type Form,
  formOf,
  keyText,
  partsOf,
  requestOf,
  shellWord,
  standsBeside,
  type Way,
  ways,
} from "../../src/console/pages/recover-words.js";
import { readPlan, readResult } from "../../src/console/pages/recovery-read.js";
import { buttonText, nameToType, priceText } from "../../src/console/pages/recovery-text.js";
import { checkRequest, optionsOf } from "../../src/recoveries/allowed.js";
import { liveNameOf, nameAt, nameBefore } from "../../src/restore/beside.js";

const now = Date.parse("2026-11-28T12:00:00Z");

const asked = (form: Form) => {
  const found = requestOf(form, now);
  if (!("request" in found)) throw new Error(JSON.stringify(found.wrong));
  return found.request;
};

/** A form in which everything is filled in. */
const full: Form = {
  ...empty,
  tables: ["shop.orders", "crm"],
  keys: "order-1\n 42 \n\n",
  between: "a..b",
  where: '{\n"a b":\t1}',
  at: "10 minutes ago",
  from: "11:00",
  to: "before:mark-0123abcd",
  operation: "undo-0123abcd",
  restored: "shop.orders_at_20261128T100400Z",
  target: "staging",
  conflict: "skip",
  fields: "status, address.city",
  ignored: "rev",
  inexact: "before",
  maxRate: "500",
  undoableFor: "30d",
  keepAdded: true,
  gentle: true,
  latest: false,
  withoutAccess: true,
  force: true,
};

describe("a form", () => {
  test.each(ways)("says with %s only what may be requested", (way: Way) => {
    const tables = way === "back" ? ["shop.orders"] : full.tables;
    const { command, args } = asked({ ...full, way, tables });
    expect(checkRequest(command, args)).toEqual({ command, args });
    const options = args.filter((word) => word.startsWith("--")).map((word) => word.split("=")[0]!);
    for (const option of options) expect(optionsOf(command)).toContain(option);
    // Each part that the way has is said: tables and target besides, and a key for each line.
    expect(new Set(options).size).toBeGreaterThanOrEqual(partsOf[way].length - 2);
  });

  test.each(ways)("of a request by %s is the one that made it", (way: Way) => {
    const tables = way === "back" ? ["shop.orders"] : full.tables;
    const request = asked({ ...full, way, tables });
    const again = formOfRequest(request);
    expect(again?.way).toBe(way);
    expect(asked(again!)).toEqual(request);
    for (const inexact of ["", "after", "any", "nearest"] as const) {
      const other = asked({ ...empty, ...again, inexact, latest: way === "drill" });
      expect(asked(formOfRequest(other)!)).toEqual(other);
    }
  });

  test("of a request with an option that it lacks is none", () => {
    const args = ["--rename=shop=back"];
    expect(formOfRequest({ command: "restore", args })).toBeUndefined();
  });

  test("says the same at any time", () => {
    expect(asked({ ...full, way: "undo" })).toEqual({
      command: "undo",
      args: [
        "shop.orders",
        "--db=crm",
        "--from=2026-11-28T11:00:00.000+00:00",
        "--to=before:mark-0123abcd",
        "--key=order-1",
        "--key=42",
        "--between=a..b",
        '--where={ "a b": 1}',
        "--on-conflict=skip",
        "--field=status",
        "--field=address.city",
        "--ignore-field=rev",
        "--gap=before",
        "--max-rate=500",
        "--undoable-for=30d",
        "--keep-added",
        "--gentle",
      ],
    });
  });

  test.each<[string, Partial<Form>, string]>([
    ["no table", { way: "undo", from: "11:00" }, "tables"],
    ["no beginning", { way: "undo", tables: ["shop.orders"] }, "from"],
    ["no instant", { way: "rewind", tables: ["shop.orders"] }, "at"],
    ["no time", { way: "beside", at: "tomorrowish" }, "at"],
    ["no operation", { way: "operation" }, "operation"],
    ["no restored table", { way: "promote" }, "restored"],
    ["two tables", { way: "back", tables: ["shop.orders", "shop.customers"] }, "tables"],
    ["too many keys", { way: "beside", keys: "a\n".repeat(200) }, "keys"],
  ])("with %s says what is wrong", (_, form, part) => {
    const found = requestOf({ ...empty, ...form }, now);
    expect("wrong" in found && Object.keys(found.wrong)).toEqual([part]);
  });

  test("takes what a page that leads to it knows", () => {
    const from = "2026-11-28T11:00:00Z";
    expect(
      formOf({ command: "undo", tables: ["shop.orders"], keys: ["a", "42", 42], from }),
    ).toEqual({ ...empty, way: "undo", tables: ["shop.orders"], keys: 'a\n"42"\n42', from });
    expect(formOf({ command: "undo", operation: "0123abcd" }).way).toBe("operation");
    expect(formOf({ command: "restore" }).way).toBe("beside");
    expect(formOf({ command: "restore", beside: false, at: "before:drop-3f2a91" })).toMatchObject({
      way: "restore",
      at: "before:drop-3f2a91",
    });
    expect(formOf({ command: "promote", tables: ["a.b_at_20261128T100400Z"] })).toMatchObject({
      way: "promote",
      restored: "a.b_at_20261128T100400Z",
    });
    expect(formOf({ command: "promote", back: true, tables: ["a.b"] }).way).toBe("back");
    expect(formOf(undefined)).toEqual(empty);
  });

  test("knows the tables that stand beside a live one by their names", () => {
    const beside = [nameAt("orders", now), nameAt("orders", now + 5, "part"), nameBefore("a", now)];
    for (const name of [...beside, "orders", "orders_at", "at_20261128T1004Z"]) {
      expect(standsBeside(`shop.${name}`)).toBe(liveNameOf(name) !== undefined);
    }
  });
});

describe("a command to copy", () => {
  const words = [
    "a b",
    "it's",
    "$HOME",
    "`id`",
    '"x"',
    "--key=ü",
    "a\\b",
    "*",
    "--where={}",
    "",
    "~",
  ];

  test("has words that a POSIX shell takes as they are", () => {
    const text = words.map(shellWord).join(" ");
    const printed = execFileSync("sh", ["-c", `printf '%s\\n' ${text}`]).toString();
    expect(printed).toBe(`${words.join("\n")}\n`);
    expect(words.map(shellWord)).toEqual(words.map(shellWordOfCli));
  });

  test("names what is not known in capitals", () => {
    const request = { command: "undo" as const, args: ["shop.orders", "--key=o'1"] };
    expect(commandText(request)).toBe(
      "thinkback undo shop.orders '--key=o'\\''1' --repo=REPO --target=URL",
    );
    expect(commandText(request, { repo: "s3://b/p q" }, ["--dry-run"])).toContain(
      "--dry-run '--repo=s3://b/p q'",
    );
    const drill = { command: "drill" as const, args: ["--latest"] };
    expect(commandText(drill)).toBe("thinkback drill --latest --repo=REPO");
    const elsewhere = { command: "restore" as const, args: ["--target=staging"] };
    expect(commandText(elsewhere)).toBe("thinkback restore --repo=REPO --target=URL_OF_STAGING");
  });

  test.each([
    "a",
    "42",
    "true",
    "null",
    '"q"',
    "@file",
    " a ",
    "[1]",
    "a\nb",
    "",
    42,
    true,
    ["a", 1],
  ])("has the key %j as the command line reads it", (key) => {
    const text = keyText(key);
    expect(text.startsWith("@")).toBe(false);
    expect(JSON.parse(keyBytes(text).toString())).toEqual(key);
  });
});

const planned = {
  operation: "ad37d5f3",
  type: "undo",
  description: "undo on shop.orders of … to …",
  changed: 0,
  deleted: 3,
  broughtBack: 412,
  firstDeleted: ["a", 1],
  tables: [
    {
      table: "shop.orders",
      documents: 415,
      bytes: 43298,
      changed: 0,
      deleted: 3,
      broughtBack: 412,
      firstDeleted: ["a", 1],
      conflicts: 0,
    },
  ],
  documents: 415,
  bytes: 43298,
  kept: 0,
  unknown: 0,
  refused: false,
  estimate: {
    tables: 1,
    documents: 415,
    bytes: 43298,
    seconds: 39.7,
    by: "reads",
    writes: 5,
    requests: { put: 4, get: 46, head: 8, list: 37, delete: 0 },
    storedBytes: 43298,
    cost: { profile: "aws-s3-standard", asOf: "2026-11-01", currency: "USD", total: 0.0213 },
  },
  conflicts: [],
  conflictCount: 0,
  overwritten: false,
  doubts: [],
  plan: null,
};
const restoring = {
  at: "2026-11-28T11:29:17.134+00:00",
  heldBack: null,
  databases: ["shop"],
  segments: 30,
  notCaptured: [],
  notSelected: [],
  catalog: { class: "exact", reason: null, lateMs: null, instant: "2026-11-28T11:29:17.134+00:00" },
  accessAsOf: null,
  tables: [
    {
      from: "shop.orders",
      to: "shop.orders_at_20261128T112917134Z",
      class: "late",
      reason: null,
      lateMs: 3000,
      instant: "2026-11-28T11:29:17.134+00:00",
      mask: null,
      missing: [],
      base: "2026-11-28T11:28:10.570+00:00",
      baseDocuments: 2000,
      baseBytes: 210167,
      indexes: ["by_city"],
    },
  ],
  estimatedSeconds: 0.43,
  maxRate: null,
  gentle: false,
};
const swapping = {
  live: "shop.orders",
  promoted: "shop.orders_at_20261128T112917134Z",
  kept: "shop.orders_before_20261128T120000Z",
  goneMs: null,
  grants: ["app"],
  differences: [],
  beside: [],
  documents: { promoted: 1588, live: 2000 },
  dryRun: true,
  pin: null,
};

describe("a plan", () => {
  test("says on its button all that it does", () => {
    const text = (command: string, json: unknown, isPart = false) =>
      buttonText(readPlan(command, json), command, isPart);
    expect(text("undo", planned)).toBe("Delete 3 and bring back 412 documents, about 40 s, $0.02");
    const { estimate, ...made } = {
      ...planned,
      deleted: 0,
      changed: 1,
      broughtBack: 0,
      documents: 1,
    };
    expect(text("rewind", made)).toBe("Change 1 document");
    expect(text("undo", { ...planned, estimate: { ...estimate, cost: null } })).toBe(
      "Delete 3 and bring back 412 documents, about 40 s",
    );
    expect(text("undo", { ...planned, documents: 0 })).toBeUndefined();
    expect(text("restore", restoring)).toBe(
      "Restore shop.orders, 2,000 documents in its base, about 1 s",
    );
    expect(text("restore", { ...restoring, estimatedSeconds: null }, true)).toBe(
      "Restore the chosen documents of shop.orders",
    );
    expect(text("promote", swapping)).toBe(
      "Make shop.orders_at_20261128T112917134Z the live shop.orders",
    );
  });

  test("has a name to type where live data are overwritten, and only there", () => {
    expect(nameToType(readPlan("undo", planned))).toBe("shop.orders");
    const table = (name: string) => ({ ...planned.tables[0], table: name });
    const of = (...names: string[]) =>
      nameToType(readPlan("undo", { ...planned, tables: names.map(table) }));
    expect(of("shop.orders", "shop.customers")).toBe("shop");
    expect(of("shop.orders", "crm.people")).toBe("shop crm");
    expect(of("a.a", "b.b", "c.c", "d.d")).toBe("4 tables");
    expect(nameToType(readPlan("promote", swapping))).toBe("shop.orders");
    expect(nameToType(readPlan("restore", restoring))).toBeUndefined();
  });

  test("of a form that is not known is shown as it is", () => {
    for (const command of ["undo", "rewind", "restore", "promote", "other"]) {
      const json = { something: "else" };
      expect(readPlan(command, json)).toEqual({ is: "other", json });
      expect(readResult(command, json)).toEqual({ is: "other", json });
    }
    expect(readPlan("drill", {})).toEqual({ is: "none" });
    expect(readPlan("undo", { ...planned, tables: [{ table: 1 }] }).is).toBe("other");
  });

  test("that conflicts have ended is told from one that was carried out", () => {
    const conflicts = [{ table: "shop.orders", key: "a", paths: ["status"] }];
    const refused = { ...planned, refused: true, conflicts, conflictCount: 1 };
    expect(readResult("undo", refused).is).toBe("refused");
    expect(readResult("undo", planned).is).toBe("other");
    const stopped = { operation: "a", type: "undo", description: "", stopped: true };
    expect(readResult("undo", { ...stopped, done: 1, documents: 2 }).is).toBe("stopped");
  });
});

test("a price of less than a cent is not said to be nothing", () => {
  const cost = { profile: "p", asOf: "2026-11-01", currency: "USD", total: 0.0004 };
  expect(priceText(cost)).toBe("less than $0.01");
  expect(priceText({ ...cost, total: 0 })).toBe("$0.00");
  expect(priceText({ ...cost, currency: "EUR", total: 1.5 })).toBe("1.50 EUR");
  expect(priceText(null)).toBeUndefined();
});
