import { isIP } from "node:net";
import { ThinkbackError } from "../errors.js";

/** A RethinkDB server to connect to. */
export interface Address {
  host: string;
  port: number;
  user: string;
  password: string;
  /** How the connection is secured; undefined for one in the clear. */
  tls?: Tls;
}

/** TLS to a server. Its certificate is checked, unless `insecure` is set. The files are PEM files. */
export interface Tls {
  /** Path of the certificates of the authorities to trust; Node's own if absent. */
  caFile?: string;
  /** The name to ask the server for, and to look for in its certificate; the host if absent. */
  serverName?: string;
  /** Paths of a certificate and its key, for a server that asks clients for one. */
  client?: { certFile: string; keyFile: string };
  /** Trust any certificate. */
  insecure?: true;
}

const form =
  "rethinkdb://user:password@host:28015 (several servers with commas; ?tls=true for TLS, with &ca=FILE, &servername=NAME, &cert=FILE and &key=FILE)";

/**
 * Reads `rethinkdb://user:password@host:port?tls=true&ca=FILE&servername=NAME&cert=FILE&key=FILE`. User admin, an empty
 * password and port 28015 are understood where they are left out. Throws for every part that it does not understand: an
 * option that is misspelt must not connect without what it asks for. Never puts what may be a part of a password into
 * an error.
 * @param password used when the URL has none, so that it need not stand on a command line
 */
export function parseAddress(text: string, password = ""): Address {
  const url = parseUrl(text);
  if (url.protocol !== "rethinkdb:" || url.hostname === "") {
    throw refused("the address of the RethinkDB server must begin rethinkdb://");
  }
  if (url.pathname !== "" && url.pathname !== "/") {
    throw refused("the address of the RethinkDB server has a path, which means nothing");
  }
  if (url.hash !== "") {
    throw refused("the address of the RethinkDB server has a # part, which means nothing");
  }
  if (url.port === "0") throw refused("the address of the RethinkDB server has port 0");
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: url.port === "" ? 28015 : Number(url.port),
    user: url.username === "" ? "admin" : decoded(url.username, "user"),
    password: url.password === "" ? password : decoded(url.password, "password"),
    ...parseOptions(url),
  };
}

function parseUrl(text: string): URL {
  try {
    return new URL(text);
  } catch {
    throw refused("cannot read the address of the RethinkDB server");
  }
}

function parseOptions({ search, searchParams }: URL): Pick<Address, "tls"> {
  // Of a password with a ? in it what follows is no option.
  if (search.includes("@")) throw refused("the address of the RethinkDB server has an @ after a ?");
  const options = new Map<string, string>();
  for (const [name, value] of searchParams) {
    if (options.has(name)) throw refused(`the address has the option ${name} twice`);
    options.set(name, value);
  }
  const { tls, ...others } = Object.fromEntries(options);
  const unknown = Object.keys(others).find((name) => !tlsOptions.includes(name));
  if (unknown !== undefined) throw refused(`the address has an unknown option "${unknown}"`);
  if (tls !== undefined && tls !== "true" && tls !== "false") {
    throw refused(`the address has tls=${tls}, which is neither true nor false`);
  }
  const [given] = Object.keys(others);
  if (given !== undefined && tls === "false") {
    throw refused(`the address has ${given}=…, but tls=false`);
  }
  return given === undefined && tls !== "true" ? {} : { tls: parseTls(others) };
}

const tlsOptions = ["ca", "servername", "cert", "key", "insecure"];

function parseTls({ ca, servername, cert, key, insecure }: Record<string, string>): Tls {
  const files = { ca, cert, key };
  for (const [name, file] of Object.entries(files)) {
    if (file === "") throw refused(`the address has ${name}= without a file`);
  }
  if ((cert === undefined) !== (key === undefined)) {
    const [there, missing] = cert === undefined ? ["key", "cert"] : ["cert", "key"];
    throw refused(`the address has ${there}=FILE without ${missing}=FILE`);
  }
  if (servername !== undefined && (servername === "" || isIP(servername) !== 0)) {
    throw refused("the address has a servername= that is not a name");
  }
  if (insecure !== undefined && insecure !== "true") {
    throw refused("the address has insecure=, which can only be true");
  }
  if (insecure !== undefined && ca !== undefined) {
    throw refused("the address has ca=FILE, which insecure=true would not check");
  }
  return {
    ...(ca === undefined ? {} : { caFile: ca }),
    ...(servername === undefined ? {} : { serverName: servername }),
    ...(cert === undefined ? {} : { client: { certFile: cert, keyFile: key! } }),
    ...(insecure === undefined ? {} : { insecure: true }),
  };
}

function decoded(text: string, what: "user" | "password"): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw refused(`the ${what} in the address is not percent-encoded`);
  }
}

function refused(message: string): ThinkbackError {
  return new ThinkbackError("usage", message, {
    hint: `give it as ${form}; / ? # @ : and % in a user or password are written %2F %3F %23 %40 %3A and %25`,
  });
}

/**
 * Reads the addresses of a cluster's servers: several URLs, and several servers in one, as in
 * `rethinkdb://user@a:28015,b,c`, which have its user, password and options. Throws as parseAddress does, and if a
 * server is given twice.
 */
export function parseAddresses(texts: readonly string[], password = ""): Address[] {
  const addresses = texts.flatMap(serversOf).map((text) => parseAddress(text, password));
  const names = addresses.map(({ host, port }) => `${host}:${port}`);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw refused(`the server ${twice} is given twice`);
  return addresses;
}

/** A URL for each server of one that may name several. */
function serversOf(text: string): string[] {
  const parts = /^(rethinkdb:\/\/(?:[^/?#]*@)?)([^/?#@]*)([/?#].*)?$/s.exec(text);
  if (!parts?.[2]?.includes(",")) return [text];
  const [, begin, servers, end = ""] = parts;
  return servers!.split(",").map((server) => `${begin}${server}${end}`);
}

/** The addresses for messages: without passwords. */
export function formatAddresses(addresses: readonly Address[]): string {
  const [first, ...others] = addresses.map(formatAddress);
  const user = first!.slice(0, first!.lastIndexOf("@") + 1);
  const rest = others.map((text) => (text.startsWith(user) ? text.slice(user.length) : text));
  return [first, ...rest].join(",");
}

/** The address for messages: without password. */
export function formatAddress(address: Address): string {
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  return `rethinkdb://${address.user}@${host}:${address.port}`;
}
