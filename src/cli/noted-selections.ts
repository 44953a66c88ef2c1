/** Notes while documents are selected what shows that --key, --where or --tenant is mistyped. */
import { fieldName, fieldOf } from "../json-bytes.js";
import { orderCode } from "../key-order.js";
import type { Selection } from "../recovery/selection.js";
import type { RestorePlan } from "../restore/plan.js";
import { textOfJson } from "../server-text.js";
import { formatNames } from "./output.js";
import type { SelectionOf } from "./select.js";

export class NotedSelections {
  private readonly selections: Selection[] = [];
  /** Names of the tables that were looked at. */
  private readonly tables: string[] = [];
  /** Keys that were asked for and not found yet, by their order codes. */
  private readonly missing = new Map<string, Buffer>();

  constructor(
    private readonly plan: Pick<RestorePlan, "tables">,
    private readonly selected: SelectionOf,
  ) {}

  /** The selection of a table of the plan, which is to be asked about each document of it that is read. */
  readonly of = (table: string): Selection | undefined => {
    const selection = this.selected(table);
    if (!selection) return undefined;
    this.selections.push(selection);
    this.tables.push(table);
    const { keys, matches } = selection;
    if (!keys) return selection;
    const { config } = this.plan.tables.find(({ from }) => `${from.db}.${from.name}` === table)!;
    const name = fieldName(config.primary_key);
    for (const key of keys) this.missing.set(orderCode(key), key);
    const noting = (document: Buffer) => {
      const { start, end } = fieldOf(document, 0, name)!;
      this.missing.delete(orderCode(document.subarray(start, end)));
      return matches?.(document) ?? true;
    };
    return { ...selection, matches: noting };
  };

  /** One sentence each. Complete when all documents were read. */
  doubts(): string[] {
    const doubts = this.selections.flatMap((selection) => selection.doubts?.() ?? []);
    if (this.missing.size === 0) return doubts;
    const keys = [...this.missing.values()].map(textOfJson);
    return [
      ...doubts,
      `no document of ${formatNames(this.tables)} has the key ${formatNames(keys)}`,
    ];
  }
}
