import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import {
  directoryAt,
  locationElsewhere,
  scratchStore,
  spoolAt,
  storeAt,
} from "../../src/storage/store-at.js";
import { storeConformance } from "./conformance.js";

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "thinkback-test-"));
});
afterAll(() => rm(directory, { recursive: true }));

storeConformance("a store that was found by its path", async () => {
  const place = await mkdtemp(join(directory, "store-"));
  const [first, second] = [storeAt(place), storeAt(pathToFileURL(place).href)];
  return { first, second, remove: () => rm(place, { recursive: true }) };
});

describe("a location", () => {
  test("is a path, or says that it is the location of a file", async () => {
    const place = join(directory, "a place");
    await storeAt(place).put("log/1", Buffer.from("1"));
    for (const location of [relative(process.cwd(), place), pathToFileURL(place).href]) {
      expect((await storeAt(location).get("log/1")).toString()).toBe("1");
      expect((await directoryAt("--spool", location).get("log/1")).toString()).toBe("1");
    }
    expect(storeAt(place).location).toBe(place);
  });

  test("of a scheme that nobody knows is refused by its name, with those that are known", () => {
    const location = "s4://key:secret@bucket/backup?token=secret";
    for (const [find, option] of [
      [() => storeAt(location), "--repo"],
      [() => directoryAt("--spool", location), "--spool"],
    ] as const) {
      expect(find).toThrow(
        expect.objectContaining({
          code: "usage",
          message: `${option} s4://bucket/backup: s4: is not a known kind of store`,
          hint: expect.stringContaining("a location that begins with file:") as string,
        }),
      );
    }
    expect(() => storeAt("constructor://x")).toThrow("not a known kind of store");
  });

  test("in a bucket that is not of its form is refused, and no value of it is repeated", () => {
    for (const location of [
      "gs://key:secret@bucket/a",
      "gs://bucket/a?token=secret",
      "azblob://bucket/a?sig=secret",
    ]) {
      expect(() => storeAt(location)).toThrow(expect.objectContaining({ code: "usage" }));
      expect(() => storeAt(location)).not.toThrow(/secret/);
    }
  });

  test("is written for another machine with all that it needs there", () => {
    for (const [given, environment, location, needs] of [
      ["backup", {}, join(process.cwd(), "backup"), []],
      ["file:///srv/b", {}, "file:///srv/b", []],
      [
        "azblob://backups/prod?account=acme",
        { AZURE_STORAGE_SAS_TOKEN: "sv=1&sig=secret" },
        "azblob://backups/prod?account=acme",
        ["a shared access signature, in AZURE_STORAGE_SAS_TOKEN"],
      ],
      [
        "gs://backups/a?project=acme-1",
        {},
        "gs://backups/a?project=acme-1",
        [expect.stringContaining("GOOGLE_APPLICATION_CREDENTIALS")],
      ],
      [
        "s3://bkt/a?region=eu-central-1&lock=30d",
        { AWS_REGION: "us-east-1", AWS_SECRET_ACCESS_KEY: "secret" },
        "s3://bkt/a?region=eu-central-1&lock=30d",
        [expect.stringContaining("AWS_ACCESS_KEY_ID")],
      ],
      [
        "s3://bkt/a",
        { AWS_ENDPOINT_URL: "https://s3.example.org/a b", AWS_DEFAULT_REGION: "eu-west-3" },
        "s3://bkt/a?endpoint=https://s3.example.org/a%20b&region=eu-west-3",
        [expect.stringContaining("AWS_ACCESS_KEY_ID")],
      ],
      [
        "s3://bkt?ca=/etc/own.pem&profile=backup",
        { AWS_REGION: "", AWS_ENDPOINT_URL_S3: "https://s3.example.org" },
        "s3://bkt?ca=/etc/own.pem&profile=backup&endpoint=https://s3.example.org",
        [expect.stringContaining("the profile backup"), expect.stringContaining("/etc/own.pem")],
      ],
    ] as const) {
      for (const name of Object.keys(process.env)) {
        if (/^(AWS|AZURE)_|^NODE_EXTRA/.test(name)) vi.stubEnv(name, undefined);
      }
      for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
      expect(locationElsewhere(given)).toEqual({ location, needs });
      expect(JSON.stringify(locationElsewhere(given))).not.toContain("secret");
      expect(() => storeAt(location)).not.toThrow();
      vi.unstubAllEnvs();
    }
  });

  test("of a file on another machine is refused", () => {
    expect(() => storeAt("file://elsewhere/backup")).toThrow(
      expect.objectContaining({ code: "usage" }),
    );
  });
});

describe("a spool", () => {
  const formsOf = (path: string) => [
    path,
    `${path}/`,
    relative(process.cwd(), path),
    pathToFileURL(path).href,
  ];

  test("that lies in the repository is refused, however the two are given", () => {
    const repository = join(directory, "a repository");
    for (const location of formsOf(repository)) {
      for (const path of [repository, join(repository, "below"), join(repository, "..spool")]) {
        for (const spool of formsOf(path)) {
          expect(() => spoolAt("--spool", spool, location)).toThrow(
            expect.objectContaining({
              code: "usage",
              message: `--spool ${spool} lies in the repository`,
            }),
          );
        }
      }
    }
  });

  test("beside the repository, or above it, is taken", () => {
    const repository = join(directory, "a repository");
    for (const location of formsOf(repository)) {
      for (const path of [directory, `${repository}2`, join(directory, "spool")]) {
        for (const spool of formsOf(path)) {
          expect(relative(spoolAt("--spool", spool, location).location, path)).toBe("");
        }
      }
    }
  });
});

test("a scratch store is gone when it is not needed any more", async () => {
  const { store, remove } = await scratchStore();
  await store.put("run-1", Buffer.from("1"));
  await remove();
  await expect(readdir(store.location)).rejects.toThrow("ENOENT");
});
