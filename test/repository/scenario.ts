/**
 * A small repository with something of everything: two tables with keys of every type, inserts, updates and deletes,
 * catalog and coverage records, something late, two epochs with a gap between them, a copied and a folded base, evidence of a change
 * that was missed, and an acknowledged gap.
 */

import type { Repository } from "../../src/format/description.js";
import type { Instant } from "../../src/instant.js";
import { putAcknowledgement } from "../../src/repository/records/acknowledgement.js";
import { putEvidence } from "../../src/repository/records/evidence.js";
import { foldUp, type History, Recording, StillClock } from "./recording.js";

export const orders = "0a000000-0000-4000-8000-000000000001";
export const posts = "0b000000-0000-4000-8000-000000000002";

export const binary = (bytes: number[]) => ({
  $reql_type$: "BINARY",
  data: Buffer.from(bytes).toString("base64"),
});
export const time = (epoch: number) => ({
  $reql_type$: "TIME",
  epoch_time: epoch,
  timezone: "+00:00",
});

/** Keys of every type, in key order; among them what is written with escapes, and what UTF-16 would order otherwise. */
export const mixedKeys: unknown[] = [
  [],
  [binary([0]), "x"],
  [binary([1]), "x"],
  ["a", 1],
  ["a", 1, true],
  ["\uDC00"],
  ["\uDC01"],
  ["\uE000"],
  false,
  true,
  -2.5,
  0,
  1,
  10,
  binary([]),
  binary([0, 1, 2]),
  time(-1.5),
  time(1_763_719_440),
  "",
  '"quoted\\',
  "A",
  "a",
  "a\n\uDC00",
  "a\n\uDC01",
  'a,"k":1}\n',
  "é",
  "\uDC00 cut",
  "\uFFFD",
  "\u{1F600}",
];

const config = (id: string, name: string, extra: object = {}) => ({
  id,
  name,
  db: "shop",
  primary_key: "id",
  indexes: [],
  write_hook: null,
  shards: [{ primary_replica: "one", replicas: ["one"], nonvoting_replicas: [] }],
  write_acks: "majority",
  durability: "hard",
  ...extra,
});

export interface Scenario {
  history: History;
  /** Ends of ticks, by what had just happened. */
  instants: {
    copied: Instant;
    changed: Instant;
    stopped: Instant;
    resynced: Instant;
    last: Instant;
    folded: Instant;
  };
}

/** Seven of these documents, about, so that the folded base of `orders` has parts of its own and parts of the copy. */
const partBytesTarget = 1500;

const document = (id: unknown, revision: number) => ({
  id,
  revision,
  text: `revision ${revision} of "${JSON.stringify(id)}"\n\t{},:[]\\`,
  ratio: 0.1 * revision,
  huge: 1e300,
  tags: ["ü", "😀", null, { nested: [true, false] }],
});

export async function record(repository: Repository, clock = new StillClock()): Promise<Scenario> {
  const first = await Recording.begin(repository, clock);
  const { history } = first;
  const since = clock.instant;
  first.catalog(["db", "d1"], { id: "d1", name: "shop" });
  first.catalog(["table", orders], config(orders, "orders"));
  first.catalog(["table", posts], config(posts, "posts"));
  first.catalog(["indexes", orders], { indexes: [] });
  first.catalogRead();
  for (const table of [orders, posts]) first.coverage(table, { state: "copying", since });
  const ordersCopy = await first.copy(
    orders,
    mixedKeys.map((key) => [key, document(key, 1)]),
    partBytesTarget,
  );
  const postsCopy = await first.copy(posts, [
    ["p1", { id: "p1" }],
    ["p2", { id: "p2", n: 1 }],
  ]);
  first.put(orders, "a", document("a", 2));
  const copied = await first.tick(500);
  await ordersCopy.finish(copied, since - 1);
  await postsCopy.finish(copied, since - 1);
  for (const table of [orders, posts]) first.coverage(table, { state: "live", since: copied });
  await first.tick();

  first.put(orders, 10, document(10, 2));
  first.put(orders, 10, document(10, 3));
  first.put(posts, "p1", null);
  first.put(posts, "p3", { id: "p3", text: "a new one" });
  await first.tick();
  first.put(orders, ["a", 1], null);
  first.put(orders, "new", document("new", 1));
  first.put(orders, "new", null);
  first.put(posts, "p1", { id: "p1", back: true });
  first.catalog(["table", posts], config(posts, "articles", { indexes: ["by_text"] }));
  const changed = await first.tick();
  clock.instant += 600;
  const lateTo = clock.instant - 1;
  first.coverage(orders, { state: "late", since: changed + 1, to: lateTo, lateMs: 2500 });
  const stopped = await first.tick(1000, { closed: true });

  clock.instant += 3_600_000;
  const second = await Recording.begin(repository, clock, history);
  const reopened = clock.instant;
  second.catalogRead();
  for (const table of [orders, posts]) {
    second.coverage(table, { state: "resyncing", since: reopened });
  }
  second.put(orders, "a", document("a", 3));
  second.put(orders, true, null);
  const resynced = await second.tick();
  for (const table of [orders, posts]) second.coverage(table, { state: "live", since: resynced });
  await second.tick();
  second.put(orders, true, document(true, 4));
  second.put(posts, "p2", { id: "p2", n: 2 });
  const folded = await second.tick();
  second.put(orders, "\u{1F600}", null);
  second.put(posts, "p4", { id: "p4" });
  const last = await second.tick(1000, { lagging: { [posts]: folded } });
  await foldUp(repository, folded, [orders], { partBytesTarget });
  await putEvidence(repository.store, {
    table: posts,
    key: '"p1"',
    before: copied,
    at: changed - 2,
    sequence: 12,
    named: "0123456789abcdef",
    stored: null,
  });
  await putAcknowledgement(repository.store, {
    table: orders,
    from: stopped + 1,
    to: resynced - 1,
    note: "the night of the move",
    at: last,
  });
  return { history, instants: { copied, changed, stopped, resynced, last, folded } };
}
