import { expect, test } from "vitest";
import { r } from "../server/driver.js";
import { Stage, tableOf } from "../endtoend/stage.js";
const size = Number(process.env["MANY"] ?? 50);
test("fill", async () => {
  const stage = await Stage.open();
  await stage.query(r.dbCreate("mass"));
  const repo = stage.repo("filling");
  await stage.query(r.db("mass").tableCreate("filling"));
  const run = stage.capture(repo, "--include", "mass.filling");
  await stage.untilExactNow(repo, "mass.filling");
  const from = Date.now();
  let next = 0;
  for (let many = 1; Date.now() < from + 8000; next += many, many = Math.min(size, many + 1)) {
    const batch = Array.from({ length: many }, (_, i) => ({id: next + i, version: 0, pad: "é".repeat(40)}));
    await stage.query(r.db("mass").table("filling").insert(batch, { durability: "soft" }));await new Promise((f)=>setTimeout(f,Number(process.env["PAUSE"]??30)));
  }
  const to = Date.now();
  console.log("docs", next, "in", to - from);
  const now = await stage.untilExact(repo, to + 4000, "mass.filling");
  console.log("exact after", Date.now() - to);
  for (const i of tableOf(now, "mass.filling")!.intervals) console.log(i.class, Date.parse(i.from) - from, Date.parse(i.to) - from, i.lateMs);
  console.log(run.stderr());
  await stage.close();
  expect(1).toBe(1);
}, 100000);
