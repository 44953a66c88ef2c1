/**
 * What an export gives: the tables of a plan, each with its documents in key order. They can be read again and again.
 */
import type { IndexStatus, TableConfig } from "../catalog-record.js";
import type { Repository } from "../format/description.js";
import { mergeLatest } from "../format/merge.js";
import type { Instant } from "../instant.js";
import type { Selection } from "../recovery/selection.js";
import { selectsAny } from "../recovery/selection.js";
import type { PlannedTable, RestorePlan } from "../restore/plan.js";
import { PlannedLog } from "../restore/planned-log.js";

/** One table that is exported. */
export interface ExportedTable {
  db: string;
  name: string;
  config: TableConfig;
  indexes: IndexStatus[];
  /** The instant whose state it is. */
  instant: Instant;
  /** Its documents in key order, as the server's JSON text. Each is valid until the next one is taken. */
  documents(): AsyncIterable<Buffer>;
}

/** What was written of a table. */
export interface WrittenTable {
  table: string;
  documents: number;
  /** Bytes in the form of the export, before compression. */
  bytes: number;
}

export interface ExportObserver {
  /** A piece of the log was read. */
  reading(pieces: number): void;
  /** Documents of a table were looked at for the first time, or written. */
  at(table: ExportedTable, step: "measuring" | "writing", documents: number): void;
}

/** Runs `work` on the tables of a plan of which something is selected. The log is read once, for all of them. */
export async function withExported<T>(
  repository: Repository,
  plan: RestorePlan,
  selectionOf: (table: string) => Selection | undefined,
  onPiece: () => void,
  work: (tables: ExportedTable[]) => Promise<T>,
): Promise<T> {
  const selections = new Map<string, Selection>();
  for (const { config } of plan.tables) {
    const selection = selectionOf(`${config.db}.${config.name}`);
    if (selection) selections.set(config.id, selection);
  }
  const tables = plan.tables.filter(({ config }) => selections.has(config.id));
  const filterOf = (table: string) => selections.get(table)?.filter;
  const log = await PlannedLog.read(
    repository,
    { ...plan, tables },
    { filterOf, onSegment: onPiece },
  );
  try {
    return await work(
      tables.map((table) => exported(log, table, selections.get(table.config.id)!)),
    );
  } finally {
    await log.dispose();
  }
}

function exported(log: PlannedLog, table: PlannedTable, selection: Selection): ExportedTable {
  const { config, indexes, instant, from } = table;
  return {
    ...from,
    config,
    indexes,
    instant,
    async *documents() {
      for await (const winners of mergeLatest(log.cursors(table))) {
        for (const { document } of winners.map(({ version }) => version)) {
          if (document !== null && selectsAny(selection, [document])) yield document;
        }
      }
    },
  };
}
