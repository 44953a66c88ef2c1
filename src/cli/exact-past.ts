/** States of the past that a command compares with others: exact ones only. */
import { ThinkbackError } from "../errors.js";
import type { Repository } from "../format/description.js";
import type { Instant } from "../instant.js";
import type { RepositoryView } from "../repository/repository-view.js";
import { NotProvenYet } from "../restore/inexact.js";
import { planRestore, type RestorePlan } from "../restore/plan.js";
import type { RestoreRequest } from "../restore/request.js";
import { counted, type Output } from "./output.js";
import { lookWhenProven, requestOf } from "./restore-request.js";

/** @param at the newest instant that is exact for all of them, if undefined */
export function exactRequest(
  of: Pick<RestoreRequest, "tables" | "databases" | "documentsOf">,
  at: Instant | undefined,
): RestoreRequest {
  const { tables: table, databases: db } = of;
  return requestOf({ table, db }, at, { ...of, exactOnly: true });
}

/**
 * The plan of what is asked for, as soon as it is proven. If it cannot be made, each table is tried alone, so that the
 * error names all that are in the way.
 */
export function exactPlan(
  repository: Repository,
  request: RestoreRequest,
  output: Output,
): Promise<RestorePlan> {
  return lookWhenProven(repository, request.at, output, (view) => planOrRefuse(view, request));
}

async function planOrRefuse(view: RepositoryView, request: RestoreRequest): Promise<RestorePlan> {
  try {
    return await planRestore(view, request);
  } catch (error) {
    const isOfTable = error instanceof ThinkbackError && !(error instanceof NotProvenYet);
    if (!isOfTable || request.tables.length < 2) throw error;
    const errors: ThinkbackError[] = [];
    for (const name of request.tables) {
      await planRestore(view, { ...request, tables: [name] }).catch((one: unknown) => {
        if (!(one instanceof ThinkbackError)) throw one;
        errors.push(one);
      });
    }
    throw errors.length > 0 ? together(errors) : error;
  }
}

/** One error for all tables that are in the way. */
export function together(errors: readonly ThinkbackError[]): ThinkbackError {
  const [first, ...others] = errors as [ThinkbackError, ...ThinkbackError[]];
  if (others.length === 0) return first;
  const messages = errors.map(({ message }) => message).join("; ");
  const text = `${counted(errors.length, "table")} cannot be taken: ${messages}`;
  const hint = first.hint === undefined ? {} : { hint: first.hint };
  return new ThinkbackError(first.code, text, { ...hint, cause: first });
}
