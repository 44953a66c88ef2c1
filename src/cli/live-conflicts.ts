/** Documents with fields that the changes have set, and that were set to something else since. */
import { type FieldPath, type Node, pathText, textOf, treeOf } from "../recovery/field-tree.js";
import type { Conflict, UndoStep } from "../recovery/undo.js";
import type { TableReference } from "../rethinkdb/table-reference.js";
import { textOfJson } from "../server-text.js";
import { counted, type Output } from "./output.js";

/** So many documents are printed one by one. */
export const printedMax = 20;
/** So many are listed for programs, and held; all are counted. */
const listedMax = 1000;
/** Of so many it is known that they were counted: a document is looked at again when others have changed it. */
const knownMax = 100_000;
/** At most so many characters of a value are printed. */
const valueCharactersMax = 40;

interface Listed {
  table: string;
  /** JSON text. */
  key: string;
  paths: string[];
  text: string;
  isOverwritten: boolean;
}

/** The conflicts of a plan, as it keeps them. */
export interface KeptConflicts {
  conflicts: { table: string; key: unknown; paths: string[] }[];
  conflictCount: number;
  overwritten: boolean;
}

export class Conflicts {
  private readonly listed: Listed[] = [];
  private readonly known = new Set<string>();
  private readonly byTable = new Map<string, number>();

  /** Those that a plan keeps. */
  static kept({ conflicts, conflictCount, overwritten: isOverwritten }: KeptConflicts): Conflicts {
    const of = new Conflicts();
    of.listed.push(
      ...conflicts.map(({ table, key, paths }) => {
        return { table, key: JSON.stringify(key), paths, text: paths.join(", "), isOverwritten };
      }),
    );
    of.byTable.set("", conflictCount);
    return of;
  }

  note({ db, name }: TableReference, { conflict, change }: UndoStep): void {
    if (!conflict) return;
    const table = `${db}.${name}`;
    const known = `${table} ${conflict.code}`;
    if (this.known.has(known)) return;
    if (this.known.size < knownMax) this.known.add(known);
    this.byTable.set(table, (this.byTable.get(table) ?? 0) + 1);
    if (this.listed.length === listedMax) return;
    const paths = conflict.paths.map(pathText);
    const text = conflict.paths.map((path) => valuesText(conflict, path)).join(", ");
    const key = textOfJson(conflict.key);
    this.listed.push({ table, key, paths, text, isOverwritten: change !== undefined });
  }

  of({ db, name }: TableReference): number {
    return this.byTable.get(`${db}.${name}`) ?? 0;
  }

  get count(): number {
    return [...this.byTable.values()].reduce((sum, count) => sum + count, 0);
  }

  /** For programs: the first of them, and how many there are. */
  results(): KeptConflicts {
    return {
      conflicts: this.listed.map(({ table, key, paths }) => {
        return { table, key: JSON.parse(key) as unknown, paths };
      }),
      conflictCount: this.count,
      overwritten: this.listed.some(({ isOverwritten }) => isOverwritten),
    };
  }

  print(output: Output): void {
    for (const { table, key, text, isOverwritten } of this.listed.slice(0, printedMax)) {
      const what = isOverwritten ? "overwritten in spite of a conflict" : "conflict";
      output.line(`${what}: ${table} ${key}: ${text}`);
    }
    const more = this.count - printedMax;
    if (more > 0) {
      output.line(`and ${counted(more, "conflict")} more; --json lists the first ${listedMax}`);
    }
  }
}

/** `rev (was 1, set to 2, is 3)`. */
function valuesText({ before, after, live }: Conflict, path: FieldPath): string {
  const [was, made, is] = [before, after, live].map((text) => valueText(valueAt(text, path)));
  return `${pathText(path)} (was ${was}, set to ${made}, is ${is})`;
}

function valueAt(text: Buffer | null, path: FieldPath): Node | undefined {
  let node: Node | undefined = text === null ? undefined : treeOf(text);
  for (const name of path) node = node instanceof Map ? node.get(name) : undefined;
  return node;
}

function valueText(node: Node | undefined): string {
  if (node === undefined) return "absent";
  const text = textOfJson(textOf(node));
  return text.length > valueCharactersMax ? `${text.slice(0, valueCharactersMax - 1)}…` : text;
}
