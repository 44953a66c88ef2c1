/** A mass change of a live table: an alarm, a pin of the instant before, and none of it for our own rewinds. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { r } from "../server/driver.js";
import { Receiver } from "./alarm-receiver.js";
import { cli, cliJson } from "./cli.js";
import { iso, nextInstant, Stage, until } from "./stage.js";

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.open();
});

afterAll(() => stage.close());

describe("documents that are deleted at once", () => {
  const orders = r.db("shop").table("orders");
  let repo: string;
  let receiver: Receiver;

  interface Pinned {
    pins: { name: string; at: string; until: string | null; holds: boolean; days?: object }[];
  }
  const pins = async () => (await cliJson<Pinned>(["pin", "list", "--repo", repo])).pins;
  const filled = async () => {
    const rows = Array.from({ length: 400 }, (_, id) => ({ id, total: 1 }));
    await stage.query(orders.insert(rows, { conflict: "replace" }));
    await stage.untilExactNow(repo, "shop.orders");
  };

  beforeAll(async () => {
    repo = stage.repo("mass");
    receiver = await Receiver.open();
    await receiver.begin();
    stage.onClose(() => receiver.end());
    await stage.query(r.dbCreate("shop"));
    await stage.query(r.db("shop").tableCreate("orders"));
    // Within so long nothing is inserted before something is deleted: then it could be a queue.
    const telling = ["--alarm-webhook", receiver.url, "--mass-change", "10%/3s"];
    stage.capture(repo, "--include", "shop.*", ...telling);
    await stage.untilExactNow(repo, "shop.orders");
    await filled();
  });

  test("by a rewind are none", async () => {
    const rows = Array.from({ length: 400 }, (_, id) => ({ id: `more-${id}` }));
    const before = iso(await nextInstant(300));
    await stage.query(orders.insert(rows));
    await stage.untilExactNow(repo, "shop.orders");
    const rewind = ["rewind", "shop.orders", "--at", before, "--target", stage.address];
    const { documents } = await cliJson<{ documents?: number }>([...rewind, "--repo", repo]);
    expect(documents ?? 400).toBe(400);
    expect(await stage.query(orders.count())).toBe(400);
    await stage.untilExactNow(repo, "shop.orders");
    // A mass change is told within some seconds.
    await nextInstant(5000);
    expect(receiver.told).toEqual([]);
    expect((await pins()).map(({ name }) => name.slice(0, 13))).toEqual(["before-rewind"]);
  });

  test("by anybody else are an alarm; the instant before is pinned, and everything is there then", async () => {
    // In the beginning, what is deleted counts only as far as it was not inserted within the window.
    await nextInstant(8000);
    await stage.query(orders.delete());
    await until("the alarm comes", () => receiver.letters.length > 0);
    const [letter] = receiver.letters;
    expect(letter).toMatchObject({
      type: "raised",
      alarm: { kind: "mass-change" },
      text: expect.stringMatching(/^shop\.orders: 400 documents were deleted/) as string,
    });
    const [, point] = /--at (before:pin-before-mass-change-\S+)/.exec(letter!.text)!;
    const pinned = (await pins()).find(({ name }) => point === `before:pin-${name}`)!;
    expect(pinned).toMatchObject({ holds: true, days: { from: expect.any(String) as string } });
    expect(pinned.until).not.toBeNull();
    const { points } = await cliJson<{ points: { id: string }[] }>(["points", "--repo", repo]);
    expect(points.map(({ id }) => `before:${id}`)).toContain(point);
    const restore = ["--at", point!, "--table", "shop.orders", "--rename", "shop.orders=shop.back"];
    const { restored } = await stage.restore(repo, ...restore);
    expect(restored).toMatchObject([{ documents: 400, matches: true }]);
  });

  test("are listed, can be silenced by their id, and the page's commands do what it says", async () => {
    const list = await cli(["alarm", "list", "--repo", repo]);
    const [, id] = /^(mass-change-[0-9a-f]{8}): critical, since /m.exec(list.stdout)!;
    const page = await readFile(join(import.meta.dirname, "../../docs/alarms.md"), "utf8");
    const lines = [...page.matchAll(/^```sh\n([^]*?)^```/gm)]
      .flatMap(([, text]) => text!.split("\n"))
      .filter((line) => line.startsWith("thinkback alarm "));
    expect(lines.map((line) => line.split(" ")[2])).toEqual(
      expect.arrayContaining(["list", "test", "silence", "unsilence"]),
    );
    for (const line of lines) {
      const words = [...line.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)]
        .map(([, single, double, plain]) => single ?? double ?? plain!)
        .slice(1)
        .map((word) => ({ "/srv/backup": repo, "mass-change-52771ca2": id! })[word] ?? word)
        .map((word) => (word.startsWith("https://") ? receiver.url : word));
      const { status, stderr } = await cli(words);
      expect([line, status, stderr]).toEqual([line, 0, ""]);
      if (words[1] !== "silence") continue;
      const { stdout } = await cli(["alarm", "list", "--repo", repo]);
      expect(stdout).toMatch(/^silenced +until +reason$/m);
    }
    expect(receiver.told).toContain("test");
    const unknown = await cli(["alarm", "unsilence", "store-away", "--repo", repo]);
    expect([unknown.status, unknown.stderr]).toEqual([6, expect.stringContaining("not silenced")]);
    const failing = await cli(["alarm", "test", "--repo", repo, "--alarm-command", "exit 4"]);
    expect([failing.status, failing.stderr]).toEqual([
      16,
      expect.stringContaining("command: the command ended with 4"),
    ]);
  });
});
