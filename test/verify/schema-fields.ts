/** What schemas say, as tests need it to hold other things against them. */
import { kinds } from "../../src/format/data-kinds.js";
import type { JsonKind } from "../../src/format/json-object.js";
import { type ObjectKind, objectKinds } from "../../src/verify/object-kinds.js";

/** As much of a schema as is looked at. */
interface Node {
  type: string;
  entries?: Record<string, Node>;
  wrapped?: Node;
  item?: Node;
  value?: Node;
  options?: Node[];
  pipe?: Node[];
}

/** What objects of a kind have to say: of a data object, its footer. */
export function schemaOf(kind: ObjectKind): unknown {
  const as: JsonKind | keyof typeof kinds = objectKinds[kind].as;
  return typeof as === "string" ? kinds[as].footer : as.schema;
}

/** The fields of each form that an object with this schema can have; one, unless it is a choice. */
export function formsOf(schema: unknown): Record<string, Node>[] {
  const node = inner(schema as Node);
  if (node.type === "variant") return node.options!.flatMap(formsOf);
  return [node.entries ?? {}];
}

/** Names of the fields of one form, in order. */
export function fieldsOf(schema: unknown): string[] {
  const forms = formsOf(schema);
  if (forms.length !== 1) throw new Error("a choice of several forms has no fields of its own");
  return Object.keys(forms[0]!).sort();
}

/** Paths of all fields, those in lists and of names as well: `cuts.*.to`. */
export function pathsOf(schema: unknown, prefix = ""): Set<string> {
  const node = inner(schema as Node);
  const paths = new Set<string>();
  const add = (of: Node, path: string) => {
    for (const one of pathsOf(of, path)) paths.add(one);
  };
  if (node.type === "variant") for (const option of node.options!) add(option, prefix);
  else if (node.entries) {
    for (const [field, of] of Object.entries(node.entries)) {
      paths.add(prefix + field);
      add(of, `${prefix}${field}.`);
    }
  } else {
    const element = node.item ?? node.value;
    if (element) add(element, `${prefix}*.`);
  }
  return paths;
}

/** What is in a schema that allows null, or nothing, too. */
function inner(node: Node): Node {
  if (node.pipe) return inner(node.pipe.at(-1)!);
  return node.wrapped ? inner(node.wrapped) : node;
}

/** True if the field may be absent. */
export function isOptional(field: Node): boolean {
  return field.type === "exact_optional" || field.type === "optional";
}
