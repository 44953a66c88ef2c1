import { systemClock } from "../clock.js";
import { messageOf, ThinkbackError } from "../errors.js";
import type { Address } from "../rethinkdb/address.js";
import { Connection } from "../rethinkdb/connection.js";
import { r } from "../rethinkdb/reql.js";
import { clusterDialer } from "../rethinkdb/servers.js";
import { readGrants, type SourceGrants } from "../rethinkdb/source-grants.js";
import { accessToSource, addressesOf, isGiven, type SourceArguments } from "./connect.js";
import type { Finding } from "./doctor-finding.js";
import { formatNames } from "./output.js";

/** A capture refuses to begin if the clocks differ by more; the second is worth a word. */
const clockMsMax = 600_000;
const clockMsNoted = 1000;

type Found = Omit<Finding, "of">;

/** Whether a source can be captured: reached, read, and with a clock that agrees. */
export async function checkSource(args: SourceArguments): Promise<Finding[]> {
  const of = "source" as const;
  const access = accessToSource(args);
  if (!isGiven(access)) {
    return [{ of, check: "reach", outcome: "skipped", text: "no --source is given" }];
  }
  const addresses = addressesOf(access, "source");
  const found = [...(await checkReached(addresses)), checkTls(addresses)];
  return found.map((one) => ({ of, ...one }));
}

async function checkReached(addresses: Address[]): Promise<Found[]> {
  let connection: Connection | undefined;
  try {
    connection = new Connection(await clusterDialer(addresses, "source", systemClock)());
    const grants = await readGrants(connection);
    const version = grants.version ?? "a server whose version may not be read";
    return [
      { check: "reach", outcome: "passed", text: version },
      ...checkGrants(grants, addresses[0]!.user),
      checkClock(await offsetOf(connection)),
    ];
  } catch (error) {
    const hint = error instanceof ThinkbackError ? error.hint : undefined;
    const advice = hint ?? "check --source, the user and its password, and that the server runs";
    return [{ check: "reach", outcome: "failed", text: messageOf(error), hint: advice }];
  } finally {
    connection?.close();
  }
}

/** The server's clock less ours, in ms. */
async function offsetOf(connection: Connection): Promise<number> {
  const before = systemClock.now();
  const { epoch_time: seconds } = await connection.value<{ epoch_time: number }>(r.now());
  return Math.round(seconds * 1000 - (before + systemClock.now()) / 2);
}

export function checkGrants(grants: SourceGrants, user: string): Found[] {
  const { neededRefused, accessRefused, tablesRefused, tables } = grants;
  const check = "grants";
  const grantAll = `r.db("rethinkdb").grant("${user}", {read: true})`;
  const found: Found[] = [];
  if (neededRefused.length > 0) {
    const text = `${user} may not read rethinkdb.${neededRefused.join(", rethinkdb.")}`;
    found.push({ check, outcome: "failed", text, hint: `as admin: ${grantAll}` });
  }
  if (accessRefused.length > 0) {
    const text = `${user} may not read rethinkdb.${accessRefused.join(", rethinkdb.")}: users and grants are not captured`;
    found.push({ check, outcome: "noted", text, hint: `if they are to be: ${grantAll}` });
  }
  if (tablesRefused.length > 0) {
    const text = `${user} may not read ${formatNames(tablesRefused)}`;
    const hint = `as admin: r.grant("${user}", {read: true}); or leave these tables out with --exclude`;
    found.push({ check, outcome: "failed", text, hint });
  }
  if (found.length > 0) return found;
  return [
    { check, outcome: "passed", text: `${user} may read all of ${tables} tables, and the catalog` },
  ];
}

export function checkClock(offsetMs: number): Found {
  const found = {
    check: "clock",
    text: `the source's clock is ${offsetMs} ms ahead of this machine's`,
  };
  const off = Math.abs(offsetMs);
  if (off <= clockMsNoted) return { ...found, outcome: "passed" };
  const outcome = off > clockMsMax ? "failed" : "noted";
  return { ...found, outcome, hint: "let both machines follow a time server" };
}

export function checkTls(addresses: Pick<Address, "tls" | "host">[]): Found {
  const plain = addresses.filter(({ tls }) => !tls).map(({ host }) => host);
  if (plain.length === 0) return { check: "TLS", outcome: "passed", text: "connections use TLS" };
  return {
    check: "TLS",
    outcome: "noted",
    text: `connections to ${formatNames(plain)} are not encrypted`,
    hint: "outside of one machine or a closed network add ?tls=true to --source",
  };
}
