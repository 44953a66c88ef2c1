import type { ThinkbackError } from "../errors.js";

/**
 * What `read` gives; if it meets damage, what it gives at a second try. An object may be deleted between being listed
 * and being read, because another stands for it by now: the second look finds that one. True damage it finds again.
 */
export async function secondLook<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if ((error as Partial<ThinkbackError>).code !== "damaged") throw error;
    return read();
  }
}
