/**
 * Made the repository in version-1/: `npx tsx test/golden/make-version-1.ts`. Until the first release it is made anew when
 * the format changes: delete the directory first. From then on it is read for ever, and a new version of the format gets
 * a directory and a script of its own.
 */
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { formatVersion } from "../../src/format/container.js";
import { formatInstant } from "../../src/instant.js";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import { makeRepository } from "../repository/recording.js";
import { orders, posts, record } from "../repository/scenario.js";

const place = join(import.meta.dirname, "version-1");
if (existsSync(place))
  throw new Error(`${place} exists: delete it first, and only before the first release`);
if (formatVersion !== 1) throw new Error("the code does not write version 1 any more");

const repository = await makeRepository(new DirectoryStore(join(place, "repository")));
const { history, instants } = await record(repository);
const expected = Object.values(instants)
  .sort((a, b) => a - b)
  .map((instant) => ({
    at: formatInstant(instant),
    orders: history.at(orders, instant),
    posts: history.at(posts, instant),
  }));
writeFileSync(join(place, "expected.json"), `${JSON.stringify(expected, null, 2)}\n`);
