/** The store in Azure Blob Storage, against Azurite. No test here asks the real service. */
import {
  BlobSASPermissions,
  ContainerSASPermissions,
  generateBlobSASQueryParameters,
  StorageSharedKeyCredential,
} from "@azure/storage-blob";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { failureOfClient } from "../../src/storage/azure/azure-failures.js";
import { readAzureLocation } from "../../src/storage/azure/azure-location.js";
import { AzureStore } from "../../src/storage/azure/azure-store.js";
import { failureOf } from "../../src/storage/object-store.js";
import { type Azurite, account, container, FaultProxy, key, startAzurite } from "./azurite.js";
import { bucketTests } from "./bucket-tests.js";
import { namesOf, storeConformance } from "./conformance.js";
import { raceInProcess } from "./race-in-process.js";

let azurite: Azurite;
let proxy: FaultProxy;
beforeAll(async () => {
  azurite = await startAzurite();
  proxy = await FaultProxy.before(azurite.endpoint);
  console.log(`Azure Blob Storage: the tests run on Azurite ${azurite.version}`);
});
afterAll(async () => {
  await proxy.stop();
  await azurite.stop();
});

const withKey = { AZURE_STORAGE_KEY: key };
let places = 0;

/** A location that no other test uses. */
function newLocation(endpoint = azurite.endpoint, of = container): string {
  places += 1;
  return `azblob://${of}/test/${places}?account=${account}&endpoint=${encodeURIComponent(endpoint)}`;
}

function at(location: string, pageObjects?: number): AzureStore {
  return new AzureStore(readAzureLocation(location, withKey), pageObjects);
}

storeConformance("AzureStore", async () => {
  const location = newLocation();
  return { first: at(location, 3), second: at(location), remove: async () => undefined };
});

describe("a store in Azure Blob Storage", () => {
  let location: string;
  let store: AzureStore;
  beforeEach(() => {
    proxy.asked.length = 0;
    proxy.faults.length = 0;
    location = newLocation(proxy.endpoint);
    store = at(location, 3);
  });

  test("needs one request for each call, and two for the end of a large object", async () => {
    const bytes = Buffer.from("0123456789");
    const requestsOf = async (work: () => Promise<unknown>) => {
      const before = proxy.asked.length;
      await work().catch(() => undefined);
      return proxy.asked.length - before;
    };
    expect(await requestsOf(() => store.put("log/1", bytes))).toBe(1);
    expect(await requestsOf(() => store.put("log/1", bytes))).toBe(1);
    expect(await requestsOf(() => store.get("log/1"))).toBe(1);
    expect(await requestsOf(() => store.get("log/1", { start: 2, end: 4 }))).toBe(1);
    expect(await requestsOf(() => store.tail("log/1", 10))).toBe(1);
    expect(await requestsOf(() => store.tail("log/1", 4))).toBe(2);
    expect(await requestsOf(() => store.size("log/1"))).toBe(1);
    expect(await requestsOf(() => store.get("log/2"))).toBe(1);
    expect(await requestsOf(() => namesOf(store, ""))).toBe(1);
    expect(await requestsOf(() => store.delete("log/1"))).toBe(1);
  });

  test("16 writers of 20 names: each name has one winner, and holds its bytes", async () => {
    const contested = newLocation();
    await raceInProcess(() => at(contested));
  });

  test("writes what the location says, and no cache may keep it", async () => {
    const headers: string[] = [];
    const cool = at(`${location}&tier=Cool`);
    await cool.put("a", Buffer.from("1"));
    const { properties } = await listedBlob(location);
    headers.push(properties.accessTier!, properties.cacheControl!);
    expect(headers).toEqual(["Cool", "no-store"]);
  });

  bucketTests(() => ({ store, service: proxy }), {
    isPut: ({ method }) => method === "PUT",
    isRead: ({ method, path }) => method === "GET" && !path.includes("comp=list"),
    passing: [
      [429, "TooManyRequests"],
      [408, "Timeout"],
      [409, "AnotherConflict"],
      [500, "OperationTimedOut"],
      [503, "ServerBusy"],
    ],
    ofPuts: [
      [401, "InvalidAuthenticationInfo", "forbidden"],
      [403, "AuthorizationPermissionMismatch", "forbidden"],
      [403, "UnauthorizedBlobOverwrite", "forbidden"],
      [409, "BlobImmutableDueToPolicy", "forbidden"],
      [409, "ContainerBeingDeleted", "unsupported"],
      [507, "InsufficientStorage", "full"],
      [400, "InvalidResourceName", "unsupported"],
      [501, "NotImplemented", "unsupported"],
      [412, "ConditionNotMet", "exists"],
      [409, "BlobAlreadyExists", "exists"],
    ],
    absent: () => at(newLocation(azurite.endpoint, "absent")),
    absentMessage: "the container absent does not exist",
    readsWithSize: ["get of a range", "tail"],
  });

  test.each([
    [409, "BlobArchived", "unsupported"],
    [412, "LeaseIdMissing", "forbidden"],
    [409, "SnapshotsPresent", "forbidden"],
  ])("a read or a delete that is answered %i %s fails as %s", async (status, code, failure) => {
    proxy.faults.push({ on: () => true, what: { kind: "answer", status, code } });
    for (const call of [() => store.get("a"), () => store.delete("a")]) {
      expect(failureOf(await call().catch((e: unknown) => e))).toBe(failure);
    }
  });

  test("a service that is away is unavailable", async () => {
    const away = await FaultProxy.before(azurite.endpoint);
    const elsewhere = at(newLocation(away.endpoint));
    await away.stop();
    const error: unknown = await elsewhere.get("a").catch((e: unknown) => e);
    expect(failureOf(error)).toBe("unavailable");
    expect((error as Error).message).toMatch(/^azblob:\/\/backups\/test\/\d+ fails: /);
  });
});

/** The first blob of a location, as Microsoft's client lists it. */
async function listedBlob(location: string) {
  const { ContainerClient } = await import("@azure/storage-blob");
  const { prefix } = readAzureLocation(location, withKey);
  const credential = new StorageSharedKeyCredential(account, key);
  const client = new ContainerClient(`${azurite.endpoint}/${container}`, credential);
  for await (const blob of client.listBlobsFlat({ prefix })) return blob;
  throw new Error("there is no blob");
}

describe("the credentials for Azure Blob Storage", () => {
  function signature(expiresInMs: number): string {
    const credential = new StorageSharedKeyCredential(account, key);
    const permissions = ContainerSASPermissions.parse("racwdl");
    const expiresOn = new Date(Date.now() + expiresInMs);
    return generateBlobSASQueryParameters(
      { containerName: container, permissions, expiresOn },
      credential,
    ).toString();
  }

  test.each([
    ["a key", () => withKey],
    ["a signature", () => ({ AZURE_STORAGE_SAS_TOKEN: `?${signature(3_600_000)}` })],
    [
      "a connection string",
      () => ({
        AZURE_STORAGE_CONNECTION_STRING: `DefaultEndpointsProtocol=http;AccountName=${account};AccountKey=${key};BlobEndpoint=${azurite.endpoint};`,
      }),
    ],
  ])("may be %s", async (kind, environment) => {
    const whole = newLocation();
    const location = kind === "a connection string" ? whole.replace(/&endpoint=.*/, "") : whole;
    const store = new AzureStore(readAzureLocation(location, environment()));
    await store.put("a", Buffer.from("x"));
    expect((await store.get("a")).toString()).toBe("x");
    expect(await namesOf(store, "")).toEqual(["a"]);
    await store.delete("a");
  });

  test("that are refused are forbidden, and stand in no error and in no cause", async () => {
    const token = signature(-3_600_000);
    const secret = new URLSearchParams(token).get("sig")!;
    const wrong = Buffer.alloc(64, "wrong").toString("base64");
    for (const environment of [{ AZURE_STORAGE_SAS_TOKEN: token }, { AZURE_STORAGE_KEY: wrong }]) {
      const store = new AzureStore(readAzureLocation(newLocation(), environment));
      const error: unknown = await store.put("a", Buffer.from("x")).catch((e: unknown) => e);
      expect(failureOf(error)).toBe("forbidden");
      for (let one = error as Error | undefined; one; one = one.cause as Error | undefined) {
        const shown = JSON.stringify(one, Object.getOwnPropertyNames(one)) + one.message;
        for (const hidden of [secret, encodeURIComponent(secret), wrong, "SharedKey "]) {
          expect(shown).not.toContain(hidden);
        }
      }
    }
  });

  test("that allow nothing but to create are enough to put", async () => {
    const location = newLocation();
    const { prefix } = readAzureLocation(location, withKey);
    const token = generateBlobSASQueryParameters(
      {
        containerName: container,
        blobName: `${prefix}a`,
        permissions: BlobSASPermissions.parse("c"),
        expiresOn: new Date(Date.now() + 3_600_000),
      },
      new StorageSharedKeyCredential(account, key),
    ).toString();
    const environment = { AZURE_STORAGE_SAS_TOKEN: token };
    const store = new AzureStore(readAzureLocation(location, environment));
    await store.put("a", Buffer.from("x"));
    expect((await at(location).get("a")).toString()).toBe("x");
    expect(failureOf(await store.get("a").catch((e: unknown) => e))).toBe("forbidden");
  });

  const all = {
    AZURE_STORAGE_CONNECTION_STRING: `AccountName=${account};AccountKey=${key}`,
    AZURE_STORAGE_KEY: key,
    AZURE_STORAGE_SAS_TOKEN: "sv=1&sig=secret",
  };

  test.each([
    [["AZURE_STORAGE_KEY", "AZURE_STORAGE_SAS_TOKEN"]],
    [["AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_KEY"]],
    [["AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_SAS_TOKEN"]],
  ] as [(keyof typeof all)[]][])("of two kinds are refused by their names: %s", (given) => {
    const environment = Object.fromEntries(given.map((name) => [name, all[name]]));
    expect(() => readAzureLocation("azblob://backups/a?account=abc", environment)).toThrow(
      expect.objectContaining({ code: "usage", message: `${given.join(" and ")} are both set` }),
    );
  });

  test.each([
    [{ AZURE_STORAGE_KEY: key }, "azblob://backups/a", "does not name its account"],
    [
      { AZURE_STORAGE_KEY: "secret!" },
      "azblob://backups/a?account=abc",
      "AZURE_STORAGE_KEY is not the key",
    ],
    [
      { AZURE_STORAGE_SAS_TOKEN: "secret" },
      "azblob://backups/a?account=abc",
      "AZURE_STORAGE_SAS_TOKEN is not a",
    ],
    [{ AZURE_STORAGE_SAS_TOKEN: "sig=secret" }, "azblob://backups/a", "does not name an account"],
    [{}, "azblob://backups/a", "does not name an account"],
    [{}, "azblob://backups/a?endpoint=http://host:10000/x", "with https:"],
    [{}, "azblob://backups/a?endpoint=http://127.0.0.1:10000/x", "with https:"],
    [
      { AZURE_STORAGE_SAS_TOKEN: "sv=1&sig=secret" },
      "azblob://backups/a?endpoint=http://host:10000/x",
      "the shared access signature would be sent in the clear",
    ],
    [
      { AZURE_STORAGE_SAS_TOKEN: "sv=1&sig=secret" },
      "azblob://backups/a?endpoint=http://127.0.0.1.example.org/x",
      "with https:",
    ],
    [
      { AZURE_STORAGE_KEY: key },
      "azblob://backups/a?account=abc&endpoint=http://host:10000/x",
      "with https:",
    ],
    [
      {
        AZURE_STORAGE_CONNECTION_STRING: `BlobEndpoint=http://host/;SharedAccessSignature=sig=secret`,
      },
      "azblob://backups/a",
      "AZURE_STORAGE_CONNECTION_STRING is not an address with https:",
    ],
    [
      {
        AZURE_STORAGE_CONNECTION_STRING: `DefaultEndpointsProtocol=http;AccountName=abc;AccountKey=${key}`,
      },
      "azblob://backups/a",
      "with https:",
    ],
    [
      { AZURE_STORAGE_CONNECTION_STRING: all.AZURE_STORAGE_CONNECTION_STRING },
      "azblob://backups/a?account=abc",
      "not that of the account in the location",
    ],
    [
      { AZURE_STORAGE_CONNECTION_STRING: all.AZURE_STORAGE_CONNECTION_STRING },
      "azblob://backups/a?endpoint=https://host",
      "the location has an option endpoint",
    ],
  ])("%j do not go with %s, and no value is repeated", (environment, location, message) => {
    const refusal = { code: "usage", message: expect.stringContaining(message) as string };
    expect(() => readAzureLocation(location, environment)).toThrow(
      expect.objectContaining(refusal),
    );
    expect(() => readAzureLocation(location, environment)).not.toThrow(/secret|Eby8/);
  });

  test("are those of the identity if none are set", () => {
    const environment = { AZURE_STORAGE_KEY: "", AZURE_STORAGE_SAS_TOKEN: undefined };
    expect(readAzureLocation("azblob://backups/a?account=abc", environment)).toEqual({
      location: "azblob://backups/a",
      container: "backups",
      prefix: "a/",
      endpoint: "https://abc.blob.core.windows.net",
      isMicrosofts: true,
      tier: undefined,
      credential: { kind: "identity" },
    });
  });

  test("say whose service it is: one that is not Microsoft's may overwrite", () => {
    const { AZURE_STORAGE_CONNECTION_STRING: text } = all;
    const ofText = (more: string) => ({ AZURE_STORAGE_CONNECTION_STRING: text + more });
    for (const [location, environment, mayOverwrite] of [
      ["azblob://backups?account=abc", {}, false],
      ["azblob://backups?endpoint=https://abc.blob.core.usgovcloudapi.net", {}, false],
      ["azblob://backups?endpoint=https://blob.core.windows.net.example.org", {}, true],
      ["azblob://backups", ofText(""), false],
      ["azblob://backups", ofText(";EndpointSuffix=core.windows.net"), false],
      ["azblob://backups", ofText(";BlobEndpoint=http://127.0.0.1:10000/x"), true],
      ["azblob://backups", ofText(";EndpointSuffix=example.org"), true],
      ["azblob://backups", { AZURE_STORAGE_CONNECTION_STRING: "UseDevelopmentStorage=true" }, true],
    ] as const) {
      const store = new AzureStore(readAzureLocation(location, environment));
      expect(store.mayOverwrite, location).toBe(mayOverwrite);
    }
  });

  test("that no identity has are forbidden; those that cannot be had now are unavailable", async () => {
    const place = readAzureLocation("azblob://backups/a?account=abc", {});
    const { AggregateAuthenticationError, AuthenticationError, CredentialUnavailableError } =
      await import("@azure/identity");
    const none = new CredentialUnavailableError("Network unreachable: connect EHOSTUNREACH");
    const away = new AuthenticationError(503, "busy");
    const refused = new AuthenticationError(401, "invalid client secret");
    const kindOf = (error: unknown) => failureOf(failureOfClient(error, { to: "list" }, place));
    expect(kindOf(none)).toBe("forbidden");
    expect(kindOf(new AggregateAuthenticationError([none, none]))).toBe("forbidden");
    expect(kindOf(new AggregateAuthenticationError([none, refused]))).toBe("forbidden");
    expect(kindOf(new AggregateAuthenticationError([none, away]))).toBe("unavailable");
    expect(kindOf(away)).toBe("unavailable");
    expect(kindOf(refused)).toBe("forbidden");
  });
});

describe("a location in Azure Blob Storage", () => {
  test.each([
    ["azblob://key:secret@backups/a", "holds a user or a password"],
    ["azblob://Secret/a", "no valid name of a bucket"],
    ["azblob://$root/a", "no valid name of a bucket"],
    ["azblob://a--b/a", "no valid name of a bucket"],
    ["azblob://backups/../secret", "the prefix in bucket backups is not"],
    ["azblob://backups/a?sv=1&sig=secret", "option sv of the azblob: location is not known"],
    ["azblob://backups/a?lock=30d", "option lock of the azblob: location is not known"],
    [
      "azblob://backups/a?account=abc&account=secret",
      "option account of the azblob: location is given twice",
    ],
    [
      "azblob://backups/a?account=not-secret",
      "option account of the azblob: location is not the name",
    ],
    ["azblob://backups/a?tier=Archive", "option tier of the azblob: location is not one of"],
    [
      "azblob://backups/a?endpoint=https://h/p?sig=secret",
      "option endpoint of the azblob: location is",
    ],
  ])("%s is refused by its name, and no value is repeated", (location, message) => {
    const refusal = { code: "usage", message: expect.stringContaining(message) as string };
    expect(() => readAzureLocation(location, withKey)).toThrow(expect.objectContaining(refusal));
    expect(() => readAzureLocation(location, withKey)).not.toThrow(/secret/i);
  });
});
