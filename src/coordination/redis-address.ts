/** The address of a Redis: of one server, or of the Sentinels that know which server is the master. */
import { ThinkbackError } from "../errors.js";

export interface RedisAddress {
  /** One server; or with `master` the Sentinels. */
  hosts: { host: string; port: number }[];
  /** The name by which the Sentinels know the master. */
  master: string | undefined;
  user: string | undefined;
  password: string | undefined;
  database: number;
  /** Undefined without TLS. */
  tls: { caFile: string | undefined; serverName: string | undefined } | undefined;
}

const port = 6379;
const sentinelPort = 26379;

const forms =
  "redis://user:password@host:6379/0, or rediss:// for TLS with ?ca=FILE and &servername=NAME, or redis+sentinel://host:26379,host:26379/name of the master";

const pattern =
  /^(?<scheme>rediss?)(?<sentinel>\+sentinel)?:\/\/(?:(?<access>[^@/?]*)@)?(?<hosts>[^@/?]+)(?:\/(?<path>[^/?]*))?(?:\?(?<query>.*))?$/;

/**
 * Reads `redis://user:password@host:port/database`, `rediss://…?ca=FILE&servername=NAME`, and
 * `redis+sentinel://host:port,host:port/master?database=0`, also with `rediss+sentinel`.
 * @param given how an operator calls the address, for messages
 * @throws {ThinkbackError} `usage`, without the password
 */
export function parseRedisAddress(text: string, given: string): RedisAddress {
  const refused = (what: string) =>
    new ThinkbackError("usage", `${given} is not the address of a Redis: ${what}`, {
      hint: `give it as ${forms}`,
    });
  const parts = pattern.exec(text.trim())?.groups;
  if (!parts) throw refused("it has another form");
  const isSentinel = parts["sentinel"] !== undefined;
  const hosts = parts["hosts"]!.split(",").map((one) => {
    const found = hostIn(one, isSentinel ? sentinelPort : port);
    if (!found) throw refused(`${one} is no host with a port`);
    return found;
  });
  if (!isSentinel && hosts.length > 1) throw refused("only Sentinels are named several at once");
  const query = new URLSearchParams(parts["query"] ?? "");
  const known = ["ca", "servername", ...(isSentinel ? ["database"] : [])];
  const odd = [...query.keys()].find((key) => !known.includes(key));
  if (odd !== undefined) throw refused(`it does not take ${odd}=`);
  const path = decoded(parts["path"] ?? "", refused);
  if (isSentinel && path === "") throw refused("the name of the master is missing");
  const database = (isSentinel ? query.get("database") : path) || "0";
  if (!/^\d{1,4}$/.test(database)) throw refused(`${database} is no number of a database`);
  const isTls = parts["scheme"] === "rediss";
  const tls = {
    caFile: query.get("ca") ?? undefined,
    serverName: query.get("servername") ?? undefined,
  };
  if (!isTls && (tls.caFile ?? tls.serverName) !== undefined)
    throw refused("ca= and servername= are for TLS, which rediss:// begins");
  return {
    hosts,
    master: isSentinel ? path : undefined,
    ...accessIn(parts["access"], refused),
    database: Number(database),
    tls: isTls ? tls : undefined,
  };
}

type Refused = (what: string) => ThinkbackError;

function decoded(text: string, refused: Refused): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw refused("a % in it does not begin the code of a character");
  }
}

function hostIn(text: string, portDefault: number): { host: string; port: number } | undefined {
  const found = /^(?:\[([0-9a-f:.]+)\]|([^\s:[\]]+))(?::(\d{1,5}))?$/i.exec(text);
  const host = found?.[1] ?? found?.[2];
  const number = Number(found?.[3] ?? portDefault);
  return host === undefined || number < 1 || number > 65_535 ? undefined : { host, port: number };
}

function accessIn(access: string | undefined, refused: Refused) {
  if (access === undefined || access === "") return { user: undefined, password: undefined };
  const colon = access.indexOf(":");
  if (colon === -1) throw refused("it has a user without a password");
  const user = decoded(access.slice(0, colon), refused);
  const password = decoded(access.slice(colon + 1), refused);
  return { user: user === "" ? undefined : user, password };
}

/** The address as it may be shown: without user and password. */
export function shownRedis({ hosts, master, tls }: RedisAddress): string {
  const scheme = `redis${tls ? "s" : ""}${master === undefined ? "" : "+sentinel"}`;
  const named = hosts.map(({ host, port }) => `${host.includes(":") ? `[${host}]` : host}:${port}`);
  return `${scheme}://${named.join(",")}${master === undefined ? "" : `/${master}`}`;
}
