import { expect, test } from "vitest";
import { addressText, isLoopback, parseListen } from "../../src/configuration/listen-address.js";

test.each([
  ["9464", "127.0.0.1", 9464, true],
  [" 0 ", "127.0.0.1", 0, true],
  ["0.0.0.0:80", "0.0.0.0", 80, false],
  ["localhost:65535", "localhost", 65_535, true],
  ["[::1]:9464", "::1", 9464, true],
  ["[::]:9464", "::", 9464, false],
  ["backup-1.example:9464", "backup-1.example", 9464, false],
])("%s is an address", (text, host, port, loopback) => {
  const at = parseListen("--metrics", text);
  expect(at).toEqual({ host, port });
  expect(isLoopback(at)).toBe(loopback);
});

test.each([
  "",
  ":9464",
  "65536",
  "-1",
  "1.2.3:80",
  "256.0.0.1:80",
  "::1:80",
  "[::g]:80",
  "a b:80",
  "http://x:80",
])("%j is none", (text) => {
  expect(() => parseListen("--metrics", text)).toThrow(/--metrics ".*" is not an address/);
});

test("an address stands in a URL", () => {
  expect(addressText({ host: "::1", port: 80 })).toBe("[::1]:80");
  expect(addressText({ host: "127.0.0.1", port: 80 })).toBe("127.0.0.1:80");
});
