/** What clients do to the source: writes of every kind, and changes of the catalog. */
import { Connection } from "../../src/rethinkdb/connection.js";
import type { Cluster } from "../simulated/cluster.js";
import type { Random } from "../simulated/random.js";
import { termId } from "../simulated/term-ids.js";
import type { Model } from "./model.js";
import { otherServers } from "./servers.js";

const tablesMax = 5;
const databases = ["shop", "crm"];
const users = ["ann", "bob"];
const names = ["orders", "items", "users", "events", "carts", "notes"];

/** In their order. Decoded and encoded anew, surrogates would all be one, and stand behind the others. */
const beginnings = ["key é", "\udc00", "\udc01", "\ue000", "\uf900"];

/** Keys of one table, all of one type. */
const keysOf: ((n: number) => unknown)[] = [
  (n) => n,
  (n) => `${beginnings[n % 5]} ${n}`,
  (n) => [beginnings[n % 5], n % 3],
  (n) => n / 4 - 2,
];

type Table = ReturnType<Cluster["tables"]>[number];

export class Workload {
  private connection: Connection | undefined;
  private querying = false;
  private counter = 0;

  constructor(
    private readonly cluster: Cluster,
    private readonly random: Random,
    private readonly model: Model,
    private readonly trace: (what: string) => void,
  ) {}

  /** True while a query is under way, whose effect the model must look for. */
  get isQuerying(): boolean {
    return this.querying;
  }

  begin(): void {
    for (const database of databases) this.cluster.createDatabase(database);
    for (let i = 0; i < 3; i += 1) this.createTable();
  }

  /** One random action. */
  act(): void {
    const chance = this.random.next();
    if (chance < 0.62) this.writeSome();
    else if (chance < 0.8) this.queryWrite();
    else if (chance < 0.85) this.queryIndex();
    else if (chance < 0.88) this.queryAccess();
    else if (chance < 0.9) this.rename();
    else if (chance < 0.94) this.createTable();
    else if (chance < 0.97) this.dropTable(false);
    else this.dropTable(true);
  }

  private pick<T>(of: readonly T[]): T {
    return of[this.random.below(of.length)]!;
  }

  private table(): Table | undefined {
    const tables = this.cluster.tables();
    return tables.length === 0 ? undefined : this.pick(tables);
  }

  private key(table: Table): unknown {
    return keysOf[table.id.charCodeAt(0) % keysOf.length]!(this.random.below(14));
  }

  /** Few different contents, so that documents go back to what they were; and now and then one never seen before. */
  private document(table: Table): object {
    const fresh = this.random.next() < 0.3;
    const f1 = fresh ? (this.counter += 1) : this.random.below(3);
    return { id: this.key(table), f1, f2: "\udfff".repeat(this.random.below(3)) };
  }

  /** Writes to every table at once, so that what happens next finds changes on their way. */
  burst(): void {
    for (const table of this.cluster.tables()) this.writeSome(table);
  }

  private writeSome(table = this.table()): void {
    if (!table) return;
    const { database, name } = table;
    for (let i = this.random.below(6); i >= 0; i -= 1) {
      const durability = this.random.next() < 0.6 ? "soft" : "hard";
      const write =
        this.random.next() < 0.25 ? { delete: this.key(table) } : { put: this.document(table) };
      this.cluster.write(database, name, write, durability);
      this.model.observe();
    }
  }

  private createTable(): void {
    if (this.cluster.tables().length >= tablesMax) return;
    const [database, name] = [this.pick(databases), this.pick(names)];
    if (this.named(database, name)) return;
    this.trace(`create ${database}.${name}`);
    this.makeTable(database, name);
  }

  /** Half of the tables have replicas elsewhere. */
  private makeTable(database: string, name: string): void {
    const id = this.cluster.createTable(database, name);
    if (this.random.next() < 0.5) this.cluster.addReplicas(id, otherServers);
    this.model.observe();
    this.fill(database, name);
  }

  private fill(database: string, name: string): void {
    const table = this.named(database, name)!;
    for (let i = this.random.below(15); i > 0; i -= 1) {
      this.cluster.write(database, name, { put: this.document(table) });
    }
    this.model.observe();
  }

  private dropTable(recreate: boolean): void {
    const table = this.table();
    if (!table) return;
    const { database, name } = table;
    this.trace(`${recreate ? "drop and recreate" : "drop"} ${database}.${name}`);
    this.cluster.dropTable(database, name);
    this.model.observe();
    if (!recreate) return;
    this.makeTable(database, name);
  }

  private named(database: string, name: string): Table | undefined {
    return this.cluster.tables().find((t) => t.database === database && t.name === name);
  }

  private rename(): void {
    const table = this.table();
    const to = this.pick(names);
    if (!table || this.named(table.database, to)) return;
    this.trace(`rename ${table.database}.${table.name} to ${to}`);
    this.query([termId.UPDATE, [[termId.CONFIG, [tableTerm(table)]], { name: to }]]);
  }

  private queryIndex(): void {
    const table = this.table();
    if (!table || this.querying) return;
    const index = this.pick(["by_a", "by_b"]);
    if (this.cluster.hasIndex(table.id, index)) {
      this.query([termId.INDEX_DROP, [tableTerm(table), index]]);
      return;
    }
    const field = this.pick(["f1", "f2"]);
    const fn = [
      termId.FUNC,
      [
        [termId.MAKE_ARRAY, [1]],
        [termId.GET_FIELD, [[termId.VAR, [1]], field]],
      ],
    ];
    this.query([termId.INDEX_CREATE, [tableTerm(table), index, fn]]);
  }

  /** A user comes, goes, or may do something else. */
  private queryAccess(): void {
    const user = this.pick(users);
    const chance = this.random.next();
    const row = [termId.GET, [systemTerm("users"), user]];
    if (chance < 0.4) {
      const conflict = { conflict: "replace" };
      const password = this.random.next() < 0.5 ? "secret" : false;
      this.query([termId.INSERT, [systemTerm("users"), { id: user, password }], conflict]);
    } else if (chance < 0.6) this.query([termId.DELETE, [row]]);
    else {
      const table = this.table();
      const scope = table && this.random.next() < 0.6 ? [tableTerm(table)] : [];
      this.query([termId.GRANT, [...scope, user, { read: this.random.next() < 0.7 }]]);
    }
  }

  private queryWrite(): void {
    const table = this.table();
    if (!table) return;
    const term = tableTerm(table);
    const key = this.key(table);
    const row = [termId.GET, [term, jsonTerm(key)]];
    const chance = this.random.next();
    const conflict = { conflict: "replace" };
    if (chance < 0.4) {
      this.query([termId.INSERT, [term, jsonTerm(this.document(table))], conflict]);
    } else if (chance < 0.6) this.query([termId.UPDATE, [row, { f1: this.random.below(3) }]]);
    else if (chance < 0.75) this.query([termId.DELETE, [row]]);
    else if (chance < 0.9) this.query([termId.UPDATE, [term, { f1: this.random.below(3) }]]);
    else this.query([termId.DELETE, [term]]);
  }

  /** Sends a query, unless one is under way. */
  private query(term: unknown): void {
    if (this.querying) return;
    this.querying = true;
    const settle = () => {
      this.querying = false;
    };
    this.ask(term).then(settle, settle);
  }

  private async ask(term: unknown): Promise<void> {
    if (!this.connection?.isOpen) this.connection = connect(this.cluster);
    await this.connection.answer(Buffer.from(JSON.stringify(term)));
  }
}

function systemTerm(name: string): unknown {
  return [termId.TABLE, [[termId.DB, ["rethinkdb"]], name]];
}

function tableTerm({ database, name }: Table): unknown {
  return [termId.TABLE, [[termId.DB, [database]], name]];
}

/** Any JSON value as a term: an array would be taken for one. */
function jsonTerm(value: unknown): unknown {
  return [termId.JSON, [JSON.stringify(value)]];
}

function connect(cluster: Cluster): Connection {
  const link = cluster.open();
  return new Connection({
    write: (bytes) => link.send(bytes),
    onData: (listener) => link.onData((bytes) => listener(Buffer.from(bytes))),
    onClose: (listener) => link.onClose(() => listener(new Error("cut"))),
    destroy: () => link.destroy(),
  });
}
