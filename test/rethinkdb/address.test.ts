import { describe, expect, test } from "vitest";
import { ThinkbackError } from "../../src/errors.js";
import { formatAddresses, parseAddress, parseAddresses } from "../../src/rethinkdb/address.js";

const plain = { host: "db1", port: 28015, user: "admin", password: "" };

test.each([
  ["rethinkdb://db1", plain],
  ["rethinkdb://db1/", plain],
  ["rethinkdb://db1:28016?tls=false", { ...plain, port: 28016 }],
  ["rethinkdb://ann@[::1]:1?tls=true", { ...plain, user: "ann", host: "::1", port: 1, tls: {} }],
  ["rethinkdb://ann:p%2Fw%3F@db1", { ...plain, user: "ann", password: "p/w?" }],
  ["rethinkdb://db1?ca=/etc/ca.pem", { ...plain, tls: { caFile: "/etc/ca.pem" } }],
  ["rethinkdb://db1?ca=a%20b&tls=true", { ...plain, tls: { caFile: "a b" } }],
  [
    "rethinkdb://db1?cert=c.pem&key=k.pem&servername=db.example.com",
    {
      ...plain,
      tls: { client: { certFile: "c.pem", keyFile: "k.pem" }, serverName: "db.example.com" },
    },
  ],
  ["rethinkdb://db1?insecure=true", { ...plain, tls: { insecure: true } }],
])("%s", (text, address) => {
  expect(parseAddress(text)).toEqual(address);
});

function refusal(text: string): ThinkbackError {
  try {
    parseAddress(text);
  } catch (error) {
    if (error instanceof ThinkbackError) return error;
    throw error;
  }
  throw new Error(`${text} was understood`);
}

describe("what is not understood is refused by name", () => {
  test.each([
    ["?tls=1", /tls=1, which is neither true nor false/],
    ["?tls=TRUE", /tls=TRUE/],
    ["?tls", /tls=, which/],
    ["?ssl=true", /unknown option "ssl"/],
    ["?tsl=true", /unknown option "tsl"/],
    ["?TLS=true", /unknown option "TLS"/],
    ["?tls=true&db=shop", /unknown option "db"/],
    ["?tls=true&tls=false", /option tls twice/],
    ["?=", /unknown option ""/],
    ["?ca=", /ca= without a file/],
    ["?ca=x&tls=false", /ca=…, but tls=false/],
    ["?tls=false&servername=a", /servername=…, but tls=false/],
    ["?tls=false&insecure=true", /insecure=…, but tls=false/],
    ["?cert=c", /cert=FILE without key=FILE/],
    ["?key=k", /key=FILE without cert=FILE/],
    ["?cert=&key=k", /cert= without a file/],
    ["?servername=", /servername= that is not a name/],
    ["?servername=127.0.0.1", /servername= that is not a name/],
    ["?verify=false", /unknown option "verify"/],
    ["?insecure=1", /insecure=, which can only be true/],
    ["?insecure=false", /insecure=, which can only be true/],
    ["?insecure=true&ca=x", /ca=FILE, which insecure=true would not check/],
    ["/shop", /has a path/],
    ["/?tls=true#x", /has a # part/],
    [":0", /port 0/],
    [":70000", /cannot read the address/],
  ])("%s", (end, message) => {
    const error = refusal(`rethinkdb://db1${end}`);
    expect(error.message).toMatch(message);
    expect([error.code, error.hint]).toEqual(["usage", expect.stringContaining("give it as")]);
  });

  test.each([
    "",
    "db1",
    "db1:28015",
    "http://db1",
    "rethinkdb:",
    "rethinkdb://",
    "rethinkdb:///shop",
    "rethinkdb://a b",
    "rethinkdb://%zz@db1",
    "rethinkdb://ann:%E0%A4%A@db1",
  ])("%j", (text) => {
    expect(refusal(text).code).toBe("usage");
  });

  test.each(["/", "?", "#", "/?", "?tls="])("a password with %s is not repeated", (sign) => {
    const { message, hint } = refusal(`rethinkdb://ann:12${sign}secret=34@db1:28015`);
    expect(`${message} ${hint}`).not.toMatch(/secret|34/);
  });
});

describe("several servers", () => {
  test("in one URL have its user, password and options", () => {
    const addresses = parseAddresses(["rethinkdb://ann:p%2Cw@a:28016,b,[::1]:1?tls=true"]);
    const common = { user: "ann", password: "p,w", tls: {} };
    expect(addresses).toEqual([
      { ...common, host: "a", port: 28016 },
      { ...common, host: "b", port: 28015 },
      { ...common, host: "::1", port: 1 },
    ]);
    expect(formatAddresses(addresses)).toBe("rethinkdb://ann@a:28016,b:28015,[::1]:1");
  });

  test("in several URLs have each their own; the password given beside is for those without", () => {
    const addresses = parseAddresses(["rethinkdb://ann@a", "rethinkdb://bob:x@b"], "secret");
    expect(addresses.map(({ user, password }) => [user, password])).toEqual([
      ["ann", "secret"],
      ["bob", "x"],
    ]);
    expect(formatAddresses(addresses)).toBe("rethinkdb://ann@a:28015,rethinkdb://bob@b:28015");
  });

  test.each([
    ["rethinkdb://a,", /must begin rethinkdb|cannot read/],
    ["rethinkdb://a,b,a:28015", /the server a:28015 is given twice/],
    ["rethinkdb://a:1,b:x", /cannot read/],
    ["rethinkdb://a,b/path", /has a path/],
    ["rethinkdb://a,b?tls=maybe", /neither true nor false/],
  ])("%s is refused", (text, message) => {
    expect(() => parseAddresses([text])).toThrow(message);
  });
});
