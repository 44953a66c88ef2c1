import { messageOf, ThinkbackError } from "../errors.js";

/**
 * A package that only some stores need, and that may be absent. Throws, with code "install", if it is.
 * @param wanted its name and major version, as npm takes them
 */
export async function optionalPackage<T>(wanted: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    const isAbsent = (error as NodeJS.ErrnoException).code === "ERR_MODULE_NOT_FOUND";
    const name = wanted.slice(0, wanted.lastIndexOf("@"));
    if (!isAbsent || !messageOf(error).includes(`'${name}'`)) throw error;
    throw new ThinkbackError("install", `the package ${name} is not installed`, {
      hint: `npm install ${wanted} (with -g if Thinkback was installed with -g)`,
      cause: error,
    });
  }
}
