/** Queries that are held to a table, on the simulated and on a real server: what they answer, and what is looked up first. */
import { beforeAll, expect, test } from "vitest";
import { heldTable, orReplaced } from "../../src/rethinkdb/table-identity.js";
import { r } from "./driver.js";
import { onEachServer } from "./each-server.js";

const replaced = /^\{"t":18,"e":5000000,"r":\["the name stands for another table"\]/;

onEachServer("queries held to a table", (bench) => {
  const table = { id: "", db: "held", name: "t", primaryKey: "id" };
  const another = { ...table, id: "00000000-0000-0000-0000-000000000000" };
  const reads = {
    between: (of: typeof table) =>
      heldTable(of).between!(r.minval, r.maxval, { leftBound: orReplaced(of, "open") }),
    getAll: (of: typeof table) => heldTable(of).getAll!(1, { index: orReplaced(of, "id") }),
    "a majority": (of: typeof table) =>
      heldTable(of, { readMode: "majority" }).between!(r.minval, r.maxval, {
        leftBound: orReplaced(of, "closed"),
      }),
  };
  const changes = (of: typeof table) => heldTable(of).changes!({ squash: orReplaced(of, false) });

  beforeAll(async () => {
    await bench().done(r.dbCreate("held"));
    await bench().done(r.db("held").tableCreate("t"));
    await bench().done(r.db("held").table("t").insert({ id: 1 }));
    table.id = (await bench().value(r.db("held").table("t").info().getField("id"))) as string;
  });

  test.each(Object.entries(reads))("%s gives the rows, or fails", async (_, read) => {
    expect(await bench().ask(read(table))).toBe('{"t":2,"r":[{"id":1}],"n":[]}');
    expect(await bench().ask(read(another))).toMatch(replaced);
  });

  test("a feed opens, or fails", async () => {
    expect(await bench().ask(changes(table))).toMatch(/^\{"t":3,"r":\[\],"n":\[1\]/);
    expect(await bench().ask(changes(another))).toMatch(replaced);
  });

  test("a term's table is looked up before its options", async () => {
    const none = r.db("held").table("none");
    const option = r.error("the option");
    for (const term of [
      none.between(r.minval, r.maxval, { leftBound: option }),
      none.getAll(1, { index: option }),
      none.changes({ squash: option }),
    ]) {
      expect(await bench().ask(term)).toContain("Table `held.none` does not exist.");
    }
    const other = r.db("held").table("t");
    for (const term of [
      other.between(r.error("a bound"), r.maxval, { leftBound: option }),
      other.getAll(r.error("a key"), { index: option }),
      other.changes({ squash: option, changefeedQueueSize: r.error("a size") }),
    ]) {
      expect(await bench().ask(term)).toContain("the option");
    }
  });
});
