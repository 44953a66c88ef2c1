/** What changed in a document, field by field: in lines for people, and as JSON text. Values stay the server's text. */
import {
  changesBetween,
  type FieldChange,
  type Node,
  pathText,
  textOf,
  treeOf,
} from "../recovery/field-tree.js";
import { textOfJson } from "../server-text.js";
import type { Output } from "./output.js";

/** At most so many characters of a value are printed. */
const valueCharactersMax = 120;

/** @param before JSON text; null if there was no document @param after the same for the later version */
export function fieldLines(before: Buffer | null, after: Buffer | null, output: Output): string[] {
  if (before === null || after === null) {
    const [sign, colour, text] =
      after === null ? (["-", "red", before] as const) : (["+", "green", after] as const);
    return text === null ? [] : [output.paint(colour, `${sign} ${shortText(text)}`)];
  }
  return changes(before, after).map((change) => {
    const path = pathText(change.path);
    if (change.before === undefined)
      return output.paint("green", `+ ${path}: ${short(change.after)}`);
    if (change.after === undefined)
      return output.paint("red", `- ${path}: ${short(change.before)}`);
    const [was, is] = [short(change.before), short(change.after)];
    return `~ ${path}: ${output.paint("red", was)} → ${output.paint("green", is)}`;
  });
}

/** JSON text: a list of `{path, before, after}`; without `before` or `after` where the field was not there. */
export function fieldsJson(before: Buffer | null, after: Buffer | null): string {
  if (before === null || after === null) return "[]";
  const texts = changes(before, after).map(({ path, before: was, after: is }) => {
    const names = path.map((name) => textOfJson(Buffer.from(name, "latin1")));
    const member = (name: string, node: Node | undefined) =>
      node === undefined ? "" : `,"${name}":${textOfJson(textOf(node))}`;
    return `{"path":[${names.join(",")}]${member("before", was)}${member("after", is)}}`;
  });
  return `[${texts.join(",")}]`;
}

/** JSON text of a document; null where there is none. */
export const documentJson = (document: Buffer | null) =>
  document === null ? "null" : textOfJson(document);

/** A key or document on a line, cut if it is long. */
export function shortText(text: Buffer): string {
  // What would move a terminal's cursor is in JSON texts only as C1 controls.
  const whole = textOfJson(text).replace(/[\u007f-\u009f]/g, "\ufffd");
  return whole.length > valueCharactersMax ? `${whole.slice(0, valueCharactersMax - 1)}…` : whole;
}

function changes(before: Buffer, after: Buffer): FieldChange[] {
  return changesBetween(treeOf(before), treeOf(after));
}

function short(node: Node | undefined): string {
  return node === undefined ? "" : shortText(textOf(node));
}
