import { systemClock } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import { type Address, formatAddresses, parseAddresses } from "../rethinkdb/address.js";
import { RethinkSource } from "../rethinkdb/rethink-source.js";
import { RethinkTarget } from "../rethinkdb/rethink-target.js";
import { clusterDialer } from "../rethinkdb/servers.js";

/**
 * The source at the given URLs, or at those of THINKBACK_SOURCE; its password may stand in THINKBACK_SOURCE_PASSWORD.
 * @param onServer told the address when another server of the source is used than before
 */
export function sourceAt(
  urls: readonly string[],
  onServer?: (where: string) => void,
): RethinkSource {
  const addresses = addressesFrom(urls, "source");
  const dial = clusterDialer(addresses, "source", systemClock, onServer);
  return new RethinkSource(formatAddresses(addresses), dial, systemClock);
}

/** The target at the given URLs, or at those of THINKBACK_TARGET; its password may be in THINKBACK_TARGET_PASSWORD. */
export function targetAt(urls: readonly string[]): RethinkTarget {
  const addresses = addressesFrom(urls, "target");
  return new RethinkTarget(
    formatAddresses(addresses),
    clusterDialer(addresses, "target", systemClock),
  );
}

/** True if a target is named, by an option or in the environment. */
export function isTargetGiven(urls: readonly string[]): boolean {
  return urls.length > 0 || process.env["THINKBACK_TARGET"] !== undefined;
}

/** The source's addresses; undefined if no source is given, by an option or in the environment. */
export function sourceAddresses(urls: readonly string[]): Address[] | undefined {
  const isGiven = urls.length > 0 || process.env["THINKBACK_SOURCE"] !== undefined;
  return isGiven ? addressesFrom(urls, "source") : undefined;
}

function addressesFrom(urls: readonly string[], role: "source" | "target"): Address[] {
  const variable = `THINKBACK_${role.toUpperCase()}`;
  const given = process.env[variable]?.trim();
  const texts = urls.length > 0 || given === undefined ? urls : given.split(/\s+/);
  if (texts.length === 0) {
    throw new ThinkbackError("usage", `no ${role} is given`, {
      hint: `give --${role} rethinkdb://user@host:28015, or set ${variable}`,
    });
  }
  return parseAddresses(texts, process.env[`${variable}_PASSWORD`]);
}
