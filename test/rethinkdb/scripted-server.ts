/** A server that answers scans of one table, row by row as it is told. */
import { Connection } from "../../src/rethinkdb/connection.js";
import { errorClasses, responseTypes } from "../../src/rethinkdb/response.js";
import { scriptedChannel } from "./scripted-channel.js";

export const table = { id: "table-1", db: "shop", name: "orders", primaryKey: "id" };

export interface Row {
  id: string;
  text: string;
}

/** `[limit, [[orderBy, [[between, [table, low, high], {left_bound}]], {index}]], limit]]`, as scanTable asks. */
type LimitTerm = [
  71,
  [[41, [[182, [unknown, unknown, unknown], { left_bound: unknown }]], { index: unknown }], number],
];

/** A server that holds `rows`, sorted by id, and sends so many in a response. */
export class ScriptedServer {
  /** What it was asked and what was handed on, in order. */
  readonly happened: string[] = [];
  /** Which table the name stands for, as a query comes. */
  tableId = () => table.id;
  private readonly streams = new Map<number, Row[][]>();
  readonly connection: Connection;

  constructor(
    private readonly rows: Row[],
    private readonly rowsPerResponse: number,
  ) {
    this.connection = new Connection(
      scriptedChannel(({ token, query: [type, term] }, answer) => {
        const isStart = type === 1;
        if (isStart && (term as LimitTerm)[0] !== 71) {
          this.happened.push("asked who the table is");
          answer({ t: responseTypes.atom, r: [this.tableId()], n: [] });
          return;
        }
        const refusal = isStart && this.refusalOf(term as LimitTerm);
        if (refusal) {
          answer({ t: responseTypes.runtimeError, e: errorClasses.user, r: [refusal], n: [] });
          return;
        }
        if (isStart) this.streams.set(token, this.responsesTo(term as LimitTerm));
        const left = this.streams.get(token)!;
        const r = left.shift() ?? [];
        answer({ t: left.length > 0 ? responseTypes.partial : responseTypes.sequence, r, n: [] });
      }),
    );
  }

  /** What `[branch, [[eq, [<the id of the name>, <id>]], <value>, [error, [<refusal>]]]]` fails with. */
  private refusalOf([, [[, [[, , options]]]]]: LimitTerm): string | undefined {
    const [, [[, [, id]], , [, [refusal]]]] = options.left_bound as [
      65,
      [[17, [unknown, string]], unknown, [12, [string]]],
    ];
    return id === this.tableId() ? undefined : refusal;
  }

  private responsesTo([, [[, [[, [, ...bounds]]], { index }], limit]]: LimitTerm): Row[][] {
    const [low, high] = [boundOf(bounds[0]), boundOf(bounds[1])];
    const isRising = index === "id";
    const [after, until] = isRising ? [low, high] : [high, low];
    const end = until === undefined ? "" : ` until ${until}`;
    this.happened.push(`asked after ${after ?? "nothing"}${end}`);
    const within = this.rows.filter(
      ({ id }) => (low === undefined || id > low) && (high === undefined || id < high),
    );
    const found = (isRising ? within : within.reverse()).slice(0, limit);
    const responses: Row[][] = [];
    for (let at = 0; at < found.length; at += this.rowsPerResponse) {
      responses.push(found.slice(at, at + this.rowsPerResponse));
    }
    return responses;
  }
}

/** The key of `[json, [[coerceTo, [<binary>, "string"]]]]`; undefined if the bound is none. */
function boundOf(bound: unknown): string | undefined {
  const [type, [text] = []] = bound as [number, [[51, [{ data: string }, string]]]?];
  if (type !== 98) return undefined;
  return JSON.parse(Buffer.from(text![1][0].data, "base64").toString()) as string;
}

export const rowsOf = (count: number, text: (i: number) => string): Row[] =>
  Array.from({ length: count }, (_, i) => ({ id: String(i).padStart(3, "0"), text: text(i) }));
