/**
 * Refuses what a page of another site makes a browser send.
 *
 * Such a page can lead a name of its own here, or ask this server by its real name. The first is seen by the name in
 * Host: no page can make the browser name an address that it does not ask. The second is seen by what the browser says
 * of the page, which no page can change.
 */
import type { IncomingHttpHeaders } from "node:http";
import { isIP } from "node:net";
import { Refusal } from "./problem.js";

export interface OwnNames {
  /** Names under which clients reach this server, beside addresses and "localhost". */
  hosts: readonly string[];
  /** This process does TLS itself. */
  isTls: boolean;
}

/** Throws a Refusal for a name that is not this server's, or a page that is not. */
export function refuseForeign(headers: IncomingHttpHeaders, own: OwnNames): void {
  if (!isOwnName(headers.host ?? "", own)) {
    throw new Refusal("misdirected", "this server is not known by that name", "see --api-host");
  }
  if (isOwnPage(headers, own)) return;
  throw new Refusal("forbidden", "pages of other sites may not ask this server");
}

function isOwnName(host: string, { hosts }: OwnNames): boolean {
  const name = host.replace(/:\d+$/, "").toLowerCase();
  const bare = name.replace(/^\[(.*)\]$/, "$1");
  return (
    isIP(bare) !== 0 || name === "localhost" || hosts.some((one) => one.toLowerCase() === name)
  );
}

function isOwnPage(headers: IncomingHttpHeaders, { hosts, isTls }: OwnNames): boolean {
  const { origin, host = "", "sec-fetch-site": site } = headers;
  // Programs send none, nor does a browser that somebody gave the address.
  if (origin === undefined) return true;
  // The browser has compared the page's origin with what it asks, whatever a proxy makes of that.
  if (site !== undefined && site !== "none") return site === "same-origin";
  // Older browsers do not say, and none does of a server without TLS.
  const given = origin.toLowerCase();
  const own = [
    `${isTls ? "https" : "http"}://${host}`,
    // A proxy may do TLS, and may name this server otherwise than it was named itself.
    `https://${host}`,
    ...hosts.map((name) => `https://${name}`),
  ];
  return own.some((one) => one.toLowerCase() === given);
}
