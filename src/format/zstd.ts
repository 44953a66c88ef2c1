/**
 * The native zstd binding. A package manager may install it without building it and still report success. Then the
 * import of this module throws and says what to do.
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
    const [reason] = messageOf(error).split("\n");
    throw new ThinkbackError("install", `zstd-napi, which is native, is not built: ${reason}`, {
      hint:
        "npm 12 builds it only when allowed. Installed globally: npm install -g --allow-scripts=zstd-napi thinkback. " +
        "In a project: npm pkg set --json allowScripts.zstd-napi=true && npm rebuild zstd-napi",
      cause: error,
    });
  }
}
