/** How whoever runs this program is called where it is stored who did something. */
import { userInfo } from "node:os";

/** The name of the user of this machine. */
export function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // In a container a user may have a number only.
    return `user ${process.getuid?.() ?? "unknown"}`;
  }
}
