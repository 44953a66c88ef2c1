import { mkdir, mkdtemp, readdir, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import {
  directoryAt,
  locationElsewhere,
  refuseShared,
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
          hint: expect.stringContaining("or a location that begins with file:") as string,
        }),
      );
    }
    expect(() => storeAt("constructor://x")).toThrow("not a known kind of store");
  });

  test.each([
    ["s3:s3.amazonaws.com/bucket", "there is no slash behind s3:"],
    ["S3:bucket", "there is no slash behind s3:"],
    ["file:backup", "there is no slash behind file:"],
    ["gs:", "there is no slash behind gs:"],
    ["b2:bucket/backup", "b2: is not a known kind of store"],
    ["sftp+x:host:/backup", "sftp+x: is not a known kind of store"],
    ["backup:2026/x", "backup: is not a known kind of store"],
    ["rest:key:secret@host", "rest: is not a known kind of store"],
  ])("with a scheme and no slashes is no directory: %s", (location, message) => {
    for (const [call, option] of [
      [() => storeAt(location), "--repo"],
      [() => directoryAt("--spool", location), "--spool"],
    ] as const) {
      expect(call).toThrow(expect.objectContaining({ code: "usage" }));
      expect(call).toThrow(option);
      expect(call).not.toThrow(/secret/);
    }
    expect(() => storeAt(location)).toThrow(message);
  });

  test("is a path if it begins as one, or has no letter in front", () => {
    for (const path of ["./s3:x/y", "/s3:x", "../s3:x", "a b:c", "a/b:c", "1:x", "~/a:b", "."]) {
      expect(storeAt(path).location).toBe(path);
    }
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

  test("that lies in the repository is refused, however the two are given", async () => {
    const repository = join(directory, "a repository");
    for (const location of formsOf(repository)) {
      for (const path of [repository, join(repository, "below"), join(repository, "..spool")]) {
        for (const spool of formsOf(path)) {
          await expect(spoolAt("--spool", spool, location)).rejects.toEqual(
            expect.objectContaining({
              code: "usage",
              message: `--spool ${spool} lies in the repository`,
            }),
          );
        }
      }
    }
  });

  test("beside the repository, or above it, is taken", async () => {
    const repository = join(directory, "a repository");
    for (const location of formsOf(repository)) {
      for (const path of [directory, `${repository}2`, join(directory, "spool")]) {
        for (const spool of formsOf(path)) {
          const { location: found } = await spoolAt("--spool", spool, location);
          expect(relative(found, path)).toBe("");
        }
      }
    }
  });
});

test("a spool that lies in the repository by a symbolic link is refused", async () => {
  const repository = join(directory, "linked repository");
  await mkdir(repository);
  await symlink(repository, join(directory, "other name"));
  const spool = join(directory, "other name", "below", "spool");
  await expect(spoolAt("--spool", spool, repository)).rejects.toThrow("lies in the repository");
});

describe("two locations", () => {
  const refused = async (...locations: string[]) => {
    const given = locations.map((location, i) => ({ option: `--place-${i}`, location }));
    return refuseShared(given).then(
      () => "taken",
      (error: unknown) => (error as Error).message,
    );
  };

  beforeAll(async () => {
    await mkdir(join(directory, "kept", "log"), { recursive: true });
    await symlink(join(directory, "kept"), join(directory, "also"));
    await symlink(join(directory, "kept", "log"), join(directory, "inner"));
    for (const name of ["AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_SAS_TOKEN"]) {
      vi.stubEnv(name, "");
    }
    vi.stubEnv("AZURE_STORAGE_KEY", "a2V5");
    vi.stubEnv("AWS_ENDPOINT_URL", "");
    vi.stubEnv("AWS_ENDPOINT_URL_S3", "https://s3.example.org:443");
  });
  afterAll(() => vi.unstubAllEnvs());

  const azure = "azblob://bucket/a?account=abc";

  test.each<[string, string, "same" | "inside" | "apart"]>([
    ["@kept", "@kept/", "same"],
    ["@kept", "file:@kept", "same"],
    ["@kept", "@also", "same"],
    ["@kept", "@also/log/../", "same"],
    ["@kept", "@kept/copy/there", "inside"],
    ["@kept", "@also/copy", "inside"],
    ["@kept", "@inner", "inside"],
    ["@kept", "@inner/new/one", "inside"],
    ["@kept", "@kept2", "apart"],
    ["@kept", "@..kept", "apart"],
    ["@kept", "s3://bucket/a", "apart"],
    ["s3://bucket/a", "s3://bucket/a/?region=eu-central-1&storageClass=STANDARD_IA", "same"],
    ["s3://bucket", "S3://bucket/copy", "inside"],
    ["s3://bucket/a", "s3://bucket/a/b?profile=x", "inside"],
    ["s3://bucket/a", "s3://bucket/ab", "apart"],
    ["s3://bucket/a", "s3://other/a", "apart"],
    ["s3://bucket/a", "s3://bucket/a?endpoint=https://S3.example.org/", "same"],
    ["s3://bucket/a", "s3://bucket/a?endpoint=https://elsewhere.example.org", "apart"],
    ["s3://bucket/a", "s3://bucket/a?endpoint=https://s3.eu-west-1.amazonaws.com", "apart"],
    ["gs://bucket/a", "gs://bucket/a/b?storageClass=NEARLINE", "inside"],
    ["gs://bucket/a", "s3://bucket/a", "apart"],
    ["gs://bucket/a", "gs://bucket/a?endpoint=http://127.0.0.1:4443", "apart"],
    [azure, "azblob://bucket/a/b?account=abc&tier=Cool", "inside"],
    [azure, `${azure}&endpoint=https://abc.blob.core.windows.net/`, "same"],
    [azure, "azblob://bucket/a?account=abd", "apart"],
  ])("%s and %s are %s", async (first, second, how) => {
    const [outer, inner] = [first, second].map((one) => one.replace("@", `${directory}/`));
    const says = {
      same: /1.* is the same place as .*0/,
      inside: /1.* lies in .*0/,
      apart: /taken/,
    };
    expect(await refused(outer!, inner!)).toMatch(says[how]);
    const other = { ...says, inside: /0.* lies in .*1/ };
    expect(await refused(inner!, outer!)).toMatch(other[how]);
    expect(await refused("/elsewhere", outer!, "/and-elsewhere", inner!)).toMatch(
      how === "apart" ? /taken/ : /^--place-3/,
    );
  });
});

test("a scratch store is gone when it is not needed any more", async () => {
  const { store, remove } = await scratchStore();
  await store.put("run-1", Buffer.from("1"));
  await remove();
  await expect(readdir(store.location)).rejects.toThrow("ENOENT");
});
