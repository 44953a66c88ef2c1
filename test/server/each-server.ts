/** Runs a suite against the simulated server and, where there is one, against a real one. */
import { afterAll, beforeAll, describe } from "vitest";
import type { Term } from "./driver.js";
import {
  realServerKind,
  type ServerKind,
  startServer,
  startSimulated,
  type TestServer,
} from "./find-server.js";
import { RawClient } from "./raw-client.js";

export interface Bench {
  readonly kind: ServerKind;
  readonly server: TestServer;
  /** The admin's connection. */
  readonly client: RawClient;
  connect(user?: string, password?: string): Promise<RawClient>;
  /** The first response to a query, given as a term of the driver or as its wire form; as text. */
  ask(term: unknown, optargs?: Record<string, unknown>): Promise<string>;
  /** The single value that a query answers. @throws {Error} for any other response */
  value(term: unknown, optargs?: Record<string, unknown>): Promise<unknown>;
  /**
   * The value of a query that prepares something. A new name is not known to every thread of the
   * server when it answers a rename; so a query that meets an unknown name is asked again.
   */
  done(term: unknown, optargs?: Record<string, unknown>): Promise<unknown>;
  /** Opens a stream or feed; gives its token and first response. */
  open(term: Term, optargs?: Record<string, unknown>): Promise<{ token: bigint; first: string }>;
}

const kinds: ServerKind[] = ["simulated"];
const real = await realServerKind();
if (real) kinds.push(real);

/** `suite` is given a function that gives the bench once the server runs. */
export function onEachServer(name: string, suite: (bench: () => Bench) => void): void {
  describe.each(kinds)(`${name} on the %s server`, (kind) => {
    let bench: Bench | undefined;
    beforeAll(async () => {
      bench = await makeBench(kind);
    });
    afterAll(async () => {
      bench?.client.close();
      await bench?.server.stop();
    });
    suite(() => {
      if (!bench) throw new Error("the server has not been started");
      return bench;
    });
  });
}

async function makeBench(kind: ServerKind): Promise<Bench> {
  const server = kind === "simulated" ? await startSimulated() : await startServer();
  if (kind === "simulated") console.log("conformance: simulated");
  const connect = (user = "admin", password = "") =>
    RawClient.connect({ ...server, user, password });
  const client = await connect();
  const ask = (term: unknown, optargs = {}) => client.query(built(term), optargs);
  const value = async (term: unknown, optargs = {}) => {
    const response = JSON.parse(await ask(term, optargs)) as { t: number; r: unknown[] };
    if (response.t !== 1) throw new Error(`not a value: ${JSON.stringify(response)}`);
    return response.r[0];
  };
  const done = async (term: unknown, optargs = {}) => {
    for (let again = 0; ; again += 1) {
      try {
        return await value(term, optargs);
      } catch (error) {
        if (again === 100 || !String(error).includes("does not exist")) throw error;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  };
  return {
    kind,
    server,
    client,
    connect,
    ask,
    value,
    done,
    open: async (term, optargs = {}) => {
      const token = client.start(built(term), optargs);
      return { token, first: await client.next(token) };
    },
  };
}

function built(term: unknown): unknown {
  return typeof term === "function" ||
    (typeof term === "object" && term !== null && "build" in term)
    ? (term as Term).build()
    : term;
}

const uuid = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;

/** A response with ids and the server's name made the same everywhere. */
export function anonymous(text: string): string {
  return text
    .replace(uuid, "UUID")
    .replace(/"(primary_replica|raft_leader|server)":"[^"]*"/g, '"$1":"SERVER"')
    .replace(/"(replicas|primary_replicas)":\["[^"]*"\]/g, '"$1":["SERVER"]');
}

/** Elements of a response. */
export function elements(response: string): unknown[] {
  return (JSON.parse(response) as { r: unknown[] }).r;
}
