/** The form that a request was made by, so that it can be changed and asked for again. */
import { empty, type Form, type Request, type Way } from "./recover-words.js";

/** Undefined if the request has an option that the form has no field for, such as --rename. */
export function formOfRequest({ command, args }: Request): Form | undefined {
  const form: Form = { ...empty, way: wayOf({ command, args }) };
  const [keys, fields, ignored]: string[][] = [[], [], []];
  for (const word of args) {
    const [, name, value = ""] = /^--([a-z-]+)(?:=(.*))?$/.exec(word) ?? [];
    switch (name) {
      case undefined:
        if (form.way === "promote") form.restored = word;
        else form.tables = [...form.tables, word];
        break;
      case "table":
      case "db":
        form.tables = [...form.tables, value];
        break;
      case "key":
        keys!.push(value);
        break;
      case "field":
        fields!.push(value);
        break;
      case "ignore-field":
        ignored!.push(value);
        break;
      case "at":
      case "to":
      case "between":
      case "where":
      case "operation":
        form[name] = value;
        break;
      case "from":
        // A promote has another --from: the table that takes the place.
        if (form.way === "promote") return undefined;
        form.from = value;
        break;
      case "target":
        form.target = value;
        break;
      case "on-conflict":
        form.conflict = value as Form["conflict"];
        break;
      case "gap":
        form.inexact = value as Form["inexact"];
        break;
      case "allow-inexact":
        form.inexact = "any";
        break;
      case "nearest":
      case "gentle":
      case "latest":
      case "force":
        if (name === "nearest") form.inexact = name;
        else form[name] = true;
        break;
      case "max-rate":
        form.maxRate = value;
        break;
      case "undoable-for":
        form.undoableFor = value;
        break;
      case "keep-added":
        form.keepAdded = true;
        break;
      case "without-access":
        form.withoutAccess = true;
        break;
      case "beside":
      case "back":
        break;
      default:
        return undefined;
    }
  }
  const joined = {
    keys: keys!.join("\n"),
    fields: fields!.join(", "),
    ignored: ignored!.join(", "),
  };
  return { ...form, ...joined };
}

function wayOf({ command, args }: Request): Way {
  switch (command) {
    case "restore":
      return args.includes("--beside") ? "beside" : "restore";
    case "undo":
      return args.some((word) => word.startsWith("--operation=")) ? "operation" : "undo";
    case "promote":
      return args.includes("--back") ? "back" : "promote";
    case "rewind":
    case "drill":
      return command;
  }
}
