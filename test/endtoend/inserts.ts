/** Documents that are inserted through one server of a cluster or another, noted in a ledger. */
import type { DriverConnection, Term } from "../server/driver.js";
import type { NetworkServer } from "../server/network.js";
import type { Ledger } from "./ledger.js";
import { canonicalJson } from "./workload.js";

/** Inserts that go on until they are ended. */
export interface Inserting {
  /** When each was acknowledged. What was not may be there all the same. */
  acknowledged: number[];
  end(): Promise<void>;
}

export class Inserts {
  private sent = 0;

  constructor(
    private readonly table: Term,
    private readonly ledger: Ledger,
  ) {}

  /** Inserts some 20 documents a second through a server. What the cluster refuses is not acknowledged. */
  through(server: NetworkServer): Inserting {
    const ended = new AbortController();
    const acknowledged: number[] = [];
    const inserting = (async () => {
      const connection = await server.connect();
      while (!ended.signal.aborted) {
        if (await this.insert(connection)) acknowledged.push(Date.now());
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      await connection.close();
    })();
    const end = async () => {
      ended.abort();
      await inserting;
    };
    return { acknowledged, end };
  }

  private async insert(connection: DriverConnection): Promise<boolean> {
    const document = { id: this.sent };
    this.sent += 1;
    const text = canonicalJson(document);
    const acknowledge = this.ledger.send(canonicalJson(document.id), text, Date.now);
    try {
      const summary = (await this.table.insert(document).run(connection)) as { inserted: number };
      if (summary.inserted !== 1) return false;
      acknowledge();
      return true;
    } catch (error) {
      if (error instanceof Error && error.name.startsWith("Reql")) return false;
      throw error;
    }
  }
}
