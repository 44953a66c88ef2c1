import type { Datum } from "./datum.js";
import { jsonText, stringText } from "./json-text.js";
import { errorCodes, ReqlError } from "./reql-error.js";
import { backtrace } from "./term.js";

/** The text of responses: keys in the order `t, e, r, b, n`, of which only partial and whole sequences have `n`. */
export const responseType = {
  atom: 1,
  sequence: 2,
  partial: 3,
  waitComplete: 4,
  serverInfo: 5,
  clientError: 16,
  compileError: 17,
  runtimeError: 18,
} as const;

export function atomResponse(datum: Datum): string {
  return `{"t":${responseType.atom},"r":[${jsonText(datum)}]}`;
}

export function sequenceResponse(
  texts: readonly string[],
  notes: readonly number[],
  ended: boolean,
): string {
  const type = ended ? responseType.sequence : responseType.partial;
  return `{"t":${type},"r":[${texts.join(",")}],"n":[${notes.join(",")}]}`;
}

export function waitCompleteResponse(): string {
  return `{"t":${responseType.waitComplete},"r":[]}`;
}

export function serverInfoResponse(info: Datum): string {
  return `{"t":${responseType.serverInfo},"r":[${jsonText(info)}]}`;
}

export function clientErrorResponse(message: string): string {
  return `{"t":${responseType.clientError},"r":[${stringText(message)}],"b":[]}`;
}

export function errorResponse(error: ReqlError): string {
  const place = `"b":${JSON.stringify(backtrace(error.node))}`;
  const message = `"r":[${stringText(error.message)}]`;
  if (error.compileTime) return `{"t":${responseType.compileError},${message},${place}}`;
  return `{"t":${responseType.runtimeError},"e":${errorCodes[error.kind]},${message},${place}}`;
}
