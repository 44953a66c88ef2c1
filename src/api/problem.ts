/** Errors as answers: application/problem+json (RFC 9457) with a code that never changes its meaning. */
import * as v from "valibot";
import { type ErrorCode, exitStatus, ThinkbackError } from "../errors.js";

/** What the API itself refuses, beside the errors of commands. */
const own = {
  /** The request is not of the form that /openapi.json says. */
  invalid: 400,
  unauthenticated: 401,
  forbidden: 403,
  "not-found": 404,
  timeout: 408,
  "too-large": 413,
  "unsupported-type": 415,
  /** The name in the Host header is not one of this server's. */
  misdirected: 421,
  "header-too-large": 431,
  /** This token has asked for too much at once. */
  "too-many": 429,
  /** Everybody together has. */
  busy: 503,
  /** The audit cannot be written, so nothing is read or changed. */
  audit: 503,
  /** The process ends, or cannot read its tokens. */
  unavailable: 503,
  "too-slow": 504,
} as const;

const ofErrors: Record<ErrorCode, number> = {
  internal: 500,
  usage: 422,
  source: 502,
  repository: 503,
  instant: 409,
  unknown: 404,
  target: 502,
  damaged: 502,
  mismatch: 502,
  full: 507,
  incomplete: 503,
  fenced: 409,
  clock: 503,
  leftOut: 409,
  install: 503,
  unfit: 503,
  conflict: 409,
  unexpected: 409,
  unchecked: 409,
};

export type ProblemCode = keyof typeof own | ErrorCode;

export const problemSchema = v.object({
  /** For people; "about:blank" says that the code tells all. */
  type: v.literal("about:blank"),
  title: v.string(),
  status: v.number(),
  code: v.picklist([...Object.keys(own), ...Object.keys(exitStatus)]),
  detail: v.string(),
  hint: v.optional(v.string()),
});
export type Problem = v.InferOutput<typeof problemSchema>;

/** How long to wait before asking again, in s. */
const retryAfterSeconds = 2;

/** A request that is not answered as asked. */
export class Refusal extends Error {
  constructor(
    readonly code: keyof typeof own,
    message: string,
    readonly hint?: string,
  ) {
    super(message);
    this.name = "Refusal";
  }
}

/** Errors whose messages repeat only what was asked for, and names. All others may quote documents. */
const harmless: readonly ProblemCode[] = ["usage", "unknown"];

const withheld = "what happened may quote documents, which this token may not read";

/**
 * An error as it is answered.
 * @param seesContents false if the answer must not quote a document
 */
export function problemOf(error: unknown, seesContents: boolean): Problem {
  if (error instanceof Refusal) {
    return problem(error.code, own[error.code], error.message, error.hint);
  }
  if (!(error instanceof ThinkbackError) || error.code === "internal") {
    return problem("internal", 500, "a defect of Thinkback; its log says more");
  }
  const { code, message, hint } = error;
  const isTold = seesContents || harmless.includes(code);
  return problem(code, ofErrors[code], isTold ? message : withheld, isTold ? hint : undefined);
}

function problem(code: ProblemCode, status: number, detail: string, hint?: string): Problem {
  const said = { type: "about:blank" as const, title: code.replaceAll("-", " "), status, code };
  return { ...said, detail, ...(hint === undefined ? {} : { hint }) };
}

export function headersOf({ status }: Problem): Record<string, string> {
  const type = { "content-type": "application/problem+json" };
  if (status === 401) return { ...type, "www-authenticate": 'Bearer realm="thinkback"' };
  if (status !== 429 && status !== 503) return type;
  return { ...type, "retry-after": String(retryAfterSeconds) };
}
