import { systemClock } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import { formatAddress, parseAddress } from "../rethinkdb/address.js";
import { dialer } from "../rethinkdb/channel.js";
import { RethinkSource } from "../rethinkdb/rethink-source.js";
import { RethinkTarget } from "../rethinkdb/rethink-target.js";

/** The source at `url`, or at THINKBACK_SOURCE; its password may stand in THINKBACK_SOURCE_PASSWORD. */
export function sourceAt(url: string | undefined): RethinkSource {
  const address = addressFrom(url, "source");
  return new RethinkSource(formatAddress(address), dialer(address, "source"), systemClock);
}

/** The target at `url`, or at THINKBACK_TARGET; its password may stand in THINKBACK_TARGET_PASSWORD. */
export function targetAt(url: string | undefined): RethinkTarget {
  const address = addressFrom(url, "target");
  return new RethinkTarget(formatAddress(address), dialer(address, "target"));
}

function addressFrom(url: string | undefined, role: "source" | "target") {
  const variable = `THINKBACK_${role.toUpperCase()}`;
  const text = url ?? process.env[variable];
  if (text === undefined) {
    throw new ThinkbackError("usage", `no ${role} is given`, {
      hint: `give --${role} rethinkdb://user@host:28015, or set ${variable}`,
    });
  }
  return parseAddress(text, process.env[`${variable}_PASSWORD`]);
}
