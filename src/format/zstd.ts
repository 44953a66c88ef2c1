/**
 * The native zstd binding. A package manager may have installed it without building it, and called that a success; then
 * the import of this module throws, and says what to do.
 */
import { createRequire } from "node:module";
import { messageOf, ThinkbackError } from "../errors.js";

type Zstd = typeof import("zstd-napi/binding.js");
type Simple = typeof import("zstd-napi");

const require = createRequire(import.meta.url);

export const { zstd, decompress } = load();

function load(): { zstd: Zstd; decompress: Simple["decompress"] } {
  try {
    const { decompress } = require("zstd-napi") as Simple;
    return { zstd: require("zstd-napi/binding.js") as Zstd, decompress };
  } catch (error) {
    const [what] = messageOf(error).split("\n");
    throw new ThinkbackError("install", `zstd-napi, which is native, is not built: ${what}`, {
      hint:
        "npm 12 does not build it unasked. Installed globally: npm install -g --allow-scripts=zstd-napi thinkback. " +
        "In a project: npm pkg set --json allowScripts.zstd-napi=true && npm rebuild zstd-napi",
      cause: error,
    });
  }
}
