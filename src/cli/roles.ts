/** What a process does of all that `thinkback run` can do. */
import { ThinkbackError } from "../errors.js";
import { similar } from "../similar.js";

export const roles = ["capture", "fold", "restore", "api"] as const;
export type Role = (typeof roles)[number];

/**
 * The roles that a text such as `capture,fold` names.
 * @throws {ThinkbackError} `usage` for another word
 */
export function rolesOf(text: string): ReadonlySet<Role> {
  return new Set(text.split(",").map((word) => roleOf(word.trim(), text)));
}

function roleOf(word: string, text: string): Role {
  const role = roles.find((one) => one === word);
  if (role) return role;
  const meant = similar(word, roles);
  throw new ThinkbackError("usage", `--role ${text}: "${word}" is not a role`, {
    hint: meant ? `did you mean ${meant}?` : `give some of ${roles.join(", ")}, with commas`,
  });
}
