import { beforeEach, expect, test } from "vitest";
import { damaged, ThinkbackError } from "../../src/errors.js";
import type { Repository } from "../../src/format/description.js";
import { lookAt, type RepositoryView } from "../../src/repository/repository-view.js";
import { makeRepository } from "./recording.js";

let repository: Repository;
beforeEach(async () => {
  repository = await makeRepository();
});

/** Gives or throws each of these in turn; `views` are those that were looked at. */
function answers(...given: (string | Error)[]) {
  const left = [...given];
  const views = new Set<RepositoryView>();
  const work = (view: RepositoryView) => {
    views.add(view);
    const next = left.shift()!;
    return typeof next === "string" ? Promise.resolve(next) : Promise.reject(next);
  };
  return { work, left, views };
}

test("what was replaced between listing and reading is found in a second view", async () => {
  const { work, views } = answers(damaged("log/1", "it is missing"), "what stands for it");
  expect(await lookAt(repository, work)).toBe("what stands for it");
  expect(views.size).toBe(2);
});

test("true damage is told, and other errors are told at once", async () => {
  const damage = damaged("log/1", "it is missing");
  const lost = answers(damage, damage, "late");
  await expect(lookAt(repository, lost.work)).rejects.toMatchObject({ code: "damaged" });
  const wrong = answers(new ThinkbackError("usage", "no"), "late");
  await expect(lookAt(repository, wrong.work)).rejects.toMatchObject({ code: "usage" });
  expect(wrong.left).toEqual(["late"]);
});
