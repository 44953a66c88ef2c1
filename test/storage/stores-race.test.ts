/** Processes put the same names in a store of each kind: each name has one winner, and holds what that one has put. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { whyNotLong } from "../long.js";
import { account, container, key, startAzurite } from "./azurite.js";
import { FakeGcs } from "./fake-gcs.js";
import { FakeS3 } from "./fake-s3.js";
import { race } from "./race.js";
import { useTestCredentials } from "./s3-servers.js";

useTestCredentials();
process.env["AZURE_STORAGE_KEY"] = key;

/** The large race is run by `npm run test:long`. */
const size = whyNotLong === undefined ? { processes: 32, names: 200 } : { processes: 8, names: 30 };

interface Place {
  location: string;
  remove(): Promise<void>;
}

const kinds: Record<string, () => Promise<Place>> = {
  "a directory": async () => {
    const directory = await mkdtemp(join(tmpdir(), "thinkback-test-"));
    return { location: directory, remove: () => rm(directory, { recursive: true }) };
  },
  "S3 (test/storage/fake-s3.ts), where replies are lost": async () => {
    const fake = await FakeS3.start();
    Object.assign(fake.faults, { loseReplyEvery: 97, conflictEvery: 89, slowDownEvery: 101 });
    return { location: fake.at("place"), remove: () => fake.stop() };
  },
  "Google Cloud Storage (test/storage/fake-gcs.ts)": async () => {
    const fake = await FakeGcs.start();
    const endpoint = encodeURIComponent(fake.endpoint);
    return { location: `gs://backups/place?endpoint=${endpoint}`, remove: () => fake.stop() };
  },
  "Azure Blob Storage (Azurite)": async () => {
    const azurite = await startAzurite();
    const endpoint = encodeURIComponent(azurite.endpoint);
    const location = `azblob://${container}/place?account=${account}&endpoint=${endpoint}`;
    return { location, remove: () => azurite.stop() };
  },
};

test.each(Object.keys(kinds))("in %s", { timeout: 300_000 }, async (kind) => {
  const place = await kinds[kind]!();
  try {
    const { winners, foreign } = await race(place.location, size);
    expect(winners.filter((one) => one.length !== 1)).toEqual([]);
    expect(foreign).toEqual([]);
  } finally {
    await place.remove();
  }
});
