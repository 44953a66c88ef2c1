import { userInfo } from "node:os";

/** The name of the machine's user, as the audit and recoveries have it. */
export function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // In a container a user may have a number only.
    return `user ${process.getuid?.() ?? "unknown"}`;
  }
}
