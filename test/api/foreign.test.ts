/** Which pages may ask, by the names and the origins that browsers and proxies send. */
import { describe, expect, test } from "vitest";
import { refuseForeign } from "../../src/api/foreign.js";
import type { Refusal } from "../../src/api/problem.js";

const hosts = ["backup.example.com"];

/** What is answered instead, or "passes". */
function outcome(headers: Record<string, string>, isTls: boolean): string {
  try {
    refuseForeign(headers, { hosts, isTls });
    return "passes";
  } catch (error) {
    return (error as Refusal).code;
  }
}

const known = ["backup.example.com", "backup.example.com:7070", "localhost:7070", "10.0.0.7:7070"];
const unknown = ["evil.example", "evil.example:7070", "backup.example.com.evil.example", ""];
const sites = ["same-origin", "same-site", "cross-site", "none", undefined] as const;
type Site = (typeof sites)[number];

/** Each way to come, and whether the page is ours, as far as the origin alone tells. */
const origins: [origin: (host: string) => string | undefined, plain: boolean, tls: boolean][] = [
  [() => undefined, true, true],
  [(host) => `http://${host}`, true, false],
  [(host) => `https://${host}`, true, true],
  [(host) => `HTTPS://${host.toUpperCase()}`, true, true],
  // A proxy that does not hand Host on.
  [() => "https://backup.example.com", true, true],
  [() => "https://backup.example.com:8443", false, false],
  [() => "https://evil.example", false, false],
  [() => "http://evil.example", false, false],
  [() => "https://backup.example.com.evil.example", false, false],
  [(host) => `https://${host}.evil.example`, false, false],
  [(host) => `https://evil.example/${host}`, false, false],
  [(host) => `chrome-extension://${host}`, false, false],
  [() => "null", false, false],
];

const wayOf = (host: string, origin: string | undefined, site: Site) => ({
  host,
  ...(origin === undefined ? {} : { origin }),
  ...(site === undefined ? {} : { "sec-fetch-site": site }),
});

describe.each([
  ["without TLS, or with a proxy that does it", false],
  ["with TLS of its own", true],
])("%s", (_, isTls) => {
  test.each(known)("under the name %s", (host) => {
    for (const [origin, isOwnPlain, isOwnTls] of origins) {
      for (const site of sites) {
        const way = wayOf(host, origin(host), site);
        const isOwn = isTls ? isOwnTls : isOwnPlain;
        const saysOwn = site === "same-origin";
        const saysOther = site === "same-site" || site === "cross-site";
        const passes = way.origin === undefined || (saysOther ? false : saysOwn || isOwn);
        expect([way, outcome(way, isTls)]).toEqual([way, passes ? "passes" : "forbidden"]);
      }
    }
  });

  test.each(unknown)("a name that is led here, %s, is refused whatever else is said", (host) => {
    for (const [origin] of origins) {
      for (const site of sites) {
        const way = wayOf(host, origin(host), site);
        expect([way, outcome(way, isTls)]).toEqual([way, "misdirected"]);
      }
    }
  });
});

test("a page over http is not that over https, where this process does TLS", () => {
  const way = { host: "backup.example.com", origin: "http://backup.example.com" };
  expect(outcome(way, true)).toBe("forbidden");
  expect(outcome(way, false)).toBe("passes");
});
