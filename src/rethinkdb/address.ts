import { ThinkbackError } from "../errors.js";

/** A RethinkDB server to connect to. */
export interface Address {
  host: string;
  port: number;
  user: string;
  password: string;
  tls: boolean;
  /** Path of a PEM file with the certificate authority to trust; the system's if absent. */
  caFile?: string;
}

const form =
  "rethinkdb://user:password@host:28015 (add ?tls=true, and &ca=FILE for an own authority)";

/**
 * Reads `rethinkdb://user:password@host:port?tls=true&ca=FILE`. User admin, an empty password and port 28015 are
 * understood where they are left out. Never puts the text, which may hold a password, into an error.
 * @param password used when the URL has none, so that it need not stand on a command line
 */
export function parseAddress(text: string, password = ""): Address {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new ThinkbackError("usage", "cannot read the address of the RethinkDB server", {
      hint: `give it as ${form}`,
    });
  }
  if (url.protocol !== "rethinkdb:" || url.hostname === "") {
    throw new ThinkbackError(
      "usage",
      "the address of the RethinkDB server must begin rethinkdb://",
      {
        hint: `give it as ${form}`,
      },
    );
  }
  const caFile = url.searchParams.get("ca");
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: url.port === "" ? 28015 : Number(url.port),
    user: url.username === "" ? "admin" : decodeURIComponent(url.username),
    password: url.password === "" ? password : decodeURIComponent(url.password),
    tls: url.searchParams.get("tls") === "true" || caFile !== null,
    ...(caFile === null ? {} : { caFile }),
  };
}

/** The address for messages: without password. */
export function formatAddress(address: Address): string {
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  return `rethinkdb://${address.user}@${host}:${address.port}`;
}
