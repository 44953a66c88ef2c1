import { expect, test } from "vitest";
import { optionalPackage } from "../../src/storage/optional-package.js";

/** As Node.js reports a package that is not installed. */
function absent(name: string): Error {
  const message = `Cannot find package '${name}' imported from /app/dist/storage/x.js`;
  return Object.assign(new Error(message), { code: "ERR_MODULE_NOT_FOUND" });
}

test("a package that is not installed is told, with the command that installs it", async () => {
  const load = () => Promise.reject(absent("@google-cloud/storage"));
  await expect(optionalPackage("@google-cloud/storage@7", load)).rejects.toMatchObject({
    code: "install",
    message: "the package @google-cloud/storage is not installed",
    hint: "npm install @google-cloud/storage@7 (with -g if Thinkback was installed with -g)",
  });
});

test("Node.js reports such a package in this way", async () => {
  const name: string = "@thinkback-test/absent";
  const loading = optionalPackage(`${name}@1`, () => import(name));
  await expect(loading).rejects.toMatchObject({ code: "install" });
});

test("a package that is there and cannot be loaded is not taken for one that is absent", async () => {
  const other = absent("a-package-that-it-needs");
  const load = () => Promise.reject(other);
  await expect(optionalPackage("@google-cloud/storage@7", load)).rejects.toBe(other);
});
