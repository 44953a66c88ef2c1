import { expect, test } from "vitest";
import { damaged, ThinkbackError } from "../../src/errors.js";
import { secondLook } from "../../src/repository/second-look.js";

/** Gives or throws each of these in turn. */
function answers(...given: (string | Error)[]) {
  const asked = [...given];
  const read = () => {
    const next = asked.shift()!;
    return typeof next === "string" ? Promise.resolve(next) : Promise.reject(next);
  };
  return { read, left: asked };
}

test("what was replaced between listing and reading is found at the second look", async () => {
  const { read } = answers(damaged("log/1", "it is missing"), "what stands for it");
  expect(await secondLook(read)).toBe("what stands for it");
});

test("true damage is told, and other errors are told at once", async () => {
  const lost = answers(
    damaged("log/1", "it is missing"),
    damaged("log/1", "it is missing"),
    "late",
  );
  await expect(secondLook(lost.read)).rejects.toMatchObject({ code: "damaged" });
  const wrong = answers(new ThinkbackError("usage", "no"), "late");
  await expect(secondLook(wrong.read)).rejects.toMatchObject({ code: "usage" });
  expect(wrong.left).toEqual(["late"]);
});
