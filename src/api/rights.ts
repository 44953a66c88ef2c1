/** Who may do what. */
import type { Instant } from "../instant.js";
import type { Role } from "../repository/registers/tokens.js";

export type Right =
  /** What is captured, restorable, pinned and requested: names of tables, counts and instants, but no document. */
  | "see"
  /** Documents, their keys and fields, and whatever may quote them. */
  | "contents"
  /** To request recoveries and drills, to pin and to mark. */
  | "request"
  /** To approve what somebody else has requested. */
  | "approve"
  /** The audit. */
  | "administer";

const rights: Record<Role, readonly Right[]> = {
  viewer: ["see"],
  operator: ["see", "contents", "request"],
  // Whoever approves has to see what it is about.
  approver: ["see", "contents", "approve"],
  admin: ["see", "contents", "request", "approve", "administer"],
};

/** Whoever sent a request. */
export interface Caller {
  /** Id of the token. */
  id: string;
  /** Its name, which stands in the audit. */
  name: string;
  role: Role;
  /** When the token ends. */
  expiresAt?: Instant | undefined;
}

export const may = ({ role }: Pick<Caller, "role">, right: Right): boolean =>
  rights[role].includes(right);

export const rightsOf = ({ role }: Pick<Caller, "role">): readonly Right[] => rights[role];

/** The roles that have a right, for messages. */
export const rolesWith = (right: Right): string =>
  Object.entries(rights)
    .filter(([, those]) => those.includes(right))
    .map(([role]) => role)
    .join(" or ");
