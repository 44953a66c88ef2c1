/** Live tables that guard writes as the server does, for tests of operations. */
import type { GuardedWrite, TableName, Target } from "../../src/rethinkdb/target.js";

export const names = ["orders", "carts", "stock"];
export const reference = (name: string) => ({
  id: `0a000000-0000-4000-8000-00000000000${names.indexOf(name)}`,
  db: "shop",
  name,
  primaryKey: "id",
});

/** Live tables that guard writes. */
export class Live {
  readonly texts = new Map<string, string>();
  writes: string[] = [];
  onReplace: (table: string) => void = () => undefined;

  constructor() {
    for (const name of names) for (const id of [1, 2, 3]) this.set(name, id, "bad");
  }

  set(name: string, id: number, status: string): void {
    this.texts.set(`${name} ${id}`, JSON.stringify({ id, status }));
  }

  get target(): Target {
    const at = ({ name }: TableName, key: Buffer) => `${name} ${String(key)}`;
    const documentAt = (table: TableName, key: Buffer) => {
      const text = this.texts.get(at(table, key));
      return text === undefined ? null : Buffer.from(text);
    };
    return {
      writesAtOnce: 2,
      checkMayReplace: () => Promise.resolve(),
      sync: () => Promise.resolve(),
      documents: async (table: TableName, keys: Buffer[]) =>
        keys.map((key) => documentAt(table, key)),
      replace: async (table: TableName, writes: GuardedWrite[]) => {
        this.onReplace(table.name);
        return writes.map(({ key, expected, document }) => {
          if (String(documentAt(table, key)) !== String(expected)) return "moved";
          this.writes.push(at(table, key));
          this.texts.set(at(table, key), String(document));
          return "written";
        });
      },
    } as unknown as Target;
  }
}
