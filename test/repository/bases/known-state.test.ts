import { describe, expect, test } from "vitest";
import { digestOf } from "../../../src/digest.js";
import { knownKeys } from "../../../src/repository/bases/known-state.js";
import { jsonOfText, textOfJson } from "../../../src/server-text.js";
import { collect, newestBase } from "../looks.js";
import { makeRepository } from "../recording.js";
import { orders, posts, record } from "../scenario.js";

describe("knownKeys", () => {
  test("are the keys and digests of the documents that a restore to the same instant gives", async () => {
    const repository = await makeRepository();
    const { history, instants } = await record(repository);
    for (const table of [orders, posts]) {
      for (const instant of [...Object.values(instants), ...history.instants()]) {
        const base = await newestBase(repository.store, table, instant);
        if (!base) continue;
        const wanted = [{ table, after: base.logFrom }];
        const log = await collect(repository.store, wanted, instant);
        const found: string[] = [];
        for await (const { key, digest } of knownKeys(repository.store, base, log)) {
          found.push(`${textOfJson(key)} ${digest}`);
        }
        await log.dispose();
        const expected = history.at(table, instant).map((document) => {
          const { id } = JSON.parse(document) as { id: unknown };
          return `${JSON.stringify(id)} ${digestOf(jsonOfText(document))}`;
        });
        expect(found, `${table} at ${instant}`).toEqual(expected);
      }
    }
  });
});
