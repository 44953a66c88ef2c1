import { describe, expect, test } from "vitest";
import { parseRedisAddress, shownRedis } from "../../src/coordination/redis-address.js";

const parsed = (text: string) => parseRedisAddress(text, "--redis");
const plain = {
  master: undefined,
  user: undefined,
  password: undefined,
  database: 0,
  tls: undefined,
};

describe("an address of a Redis", () => {
  test("names one server, with what is needed to be let in", () => {
    expect(parsed("redis://cache")).toEqual({ ...plain, hosts: [{ host: "cache", port: 6379 }] });
    expect(parsed("redis://a%40b:p%3A%2F@[::1]:7000/3\n")).toEqual({
      ...plain,
      hosts: [{ host: "::1", port: 7000 }],
      user: "a@b",
      password: "p:/",
      database: 3,
    });
    expect(parsed("redis://:p@h")).toMatchObject({ user: undefined, password: "p" });
  });

  test("names the file of an authority for TLS", () => {
    expect(parsed("rediss://h/?ca=/etc/ca.pem&servername=cache")).toMatchObject({
      database: 0,
      tls: { caFile: "/etc/ca.pem", serverName: "cache" },
    });
    expect(parsed("rediss://h").tls).toEqual({ caFile: undefined, serverName: undefined });
  });

  test("names Sentinels, and the master that they know", () => {
    expect(parsed("redis+sentinel://u:p@a,b:7000/mymaster?database=2")).toEqual({
      hosts: [
        { host: "a", port: 26_379 },
        { host: "b", port: 7000 },
      ],
      master: "mymaster",
      user: "u",
      password: "p",
      database: 2,
      tls: undefined,
    });
    expect(parsed("rediss+sentinel://a/m").tls).toBeDefined();
  });

  test.each([
    ["redis://:secret@[::1]:1", "redis://[::1]:1"],
    ["rediss+sentinel://u:secret@a,b:7/m?ca=/x", "rediss+sentinel://a:26379,b:7/m"],
  ])("is shown without its secrets: %s", (text, shown) => {
    expect(shownRedis(parsed(text))).toBe(shown);
  });

  test.each([
    "",
    "redis://",
    "http://h",
    "127.0.0.1",
    "redis://h:0",
    "redis://h:66000",
    "redis://a,b",
    "redis://h/x",
    "redis://h?db=1",
    "redis://h?ca=/x",
    "redis://user@h",
    "redis://u:%zz@h",
    "redis+sentinel://h",
    "redis://h:1:2",
  ])("is refused, and its password is not told: %j", (text) => {
    const withSecret = text.replace("://", "://u:secret@");
    for (const one of [text, withSecret]) {
      expect(() => parsed(one)).toThrow(expect.objectContaining({ code: "usage" }));
      expect(() => parsed(one)).not.toThrow(/secret/);
    }
  });
});
