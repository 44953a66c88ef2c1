/** A feed that counts what is written to a table, independently of whatever writes it. */
import type { Term } from "../server/driver.js";
import type { Stage } from "./stage.js";

interface Change {
  new_val: { id: unknown } | null;
  old_val: { id: unknown } | null;
}

/**
 * Counts the changes of each key in `writes` until it is closed.
 * @param prefix stands before each key
 */
export async function countWrites(
  stage: Stage,
  table: Term,
  writes: Map<string, number>,
  prefix = "",
): Promise<{ close(): Promise<void> }> {
  const connection = await stage.connect();
  const cursor = await table.changes({ squash: false } as never).run(connection);
  const feed = cursor as unknown as {
    each(on: (error: Error | null, change: Change) => void): void;
    close(): Promise<void>;
  };
  feed.each((error, change) => {
    if (error) return;
    const key = `${prefix}${String((change.new_val ?? change.old_val)!.id)}`;
    writes.set(key, (writes.get(key) ?? 0) + 1);
  });
  return {
    close: async () => {
      await feed.close();
      await connection.close();
    },
  };
}
