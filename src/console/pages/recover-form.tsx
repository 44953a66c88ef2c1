/** What, when and how: the parts of the form that its way has. */
import { useState } from "preact/hooks";
import { signedIn } from "../app/session.js";
import { useShared } from "../app/store.js";
import { Card } from "../parts/bits.js";
import { InstantField } from "../parts/instant-field.js";
import { Choice, Names, Switch, TextField } from "./recover-fields.js";
import { tellingOf } from "./recover-ways.js";
import { type Form, type Part, partsOf, standsBeside } from "./recover-words.js";

export interface FormProps {
  form: Form;
  set: (change: Partial<Form>) => void;
  wrong: Partial<Record<Part, string>>;
  /** Names of the tables that are captured. */
  tables: readonly string[];
}

type Has = (part: Part) => boolean;
type PartProps = FormProps & { has: Has };

export function FormParts(props: FormProps) {
  const has: Has = (part) => partsOf[props.form.way].includes(part);
  const all = { ...props, has };
  const isTimed = has("at") || has("from");
  return (
    <>
      <Card title={tellingOf[props.form.way].name}>
        <What {...all} />
      </Card>
      {isTimed && (
        <Card title="When">
          <When {...all} />
        </Card>
      )}
      <Options {...all} />
    </>
  );
}

function What({ form, set, wrong, tables, has }: PartProps) {
  const databases = [...new Set(tables.map((name) => name.split(".")[0]!))];
  const isOpen = ["drill", "operation", "beside", "restore"].includes(form.way);
  const everything = form.way === "operation" ? "all that it has changed" : "everything";
  return (
    <>
      {has("operation") && (
        <TextField
          label="Operation"
          note="The 8 digits that an undo or a rewind has, as its report says."
          wrong={wrong.operation}
          text={form.operation}
          onText={(operation) => set({ operation })}
        />
      )}
      {has("tables") && (
        <Names
          label={form.way === "back" ? "Live table" : "Tables or databases"}
          note={isOpen ? `None means ${everything}.` : "What is not chosen stays as it is."}
          wrong={wrong.tables}
          names={form.tables}
          known={[...tables.filter((name) => !standsBeside(name)), ...databases]}
          onNames={(names) => set({ tables: names })}
        />
      )}
      {has("restored") && <Restored form={form} set={set} wrong={wrong} tables={tables} />}
      {has("keys") && <Documents form={form} set={set} wrong={wrong} />}
      {has("target") && <Where form={form} set={set} />}
    </>
  );
}

function Restored({ form, set, wrong, tables }: FormProps) {
  const beside = tables.filter(standsBeside);
  const names = [...new Set([form.restored, ...beside])].filter((name) => name !== "");
  if (names.length === 0) {
    return (
      <p class="nothing">
        No table stands beside a live one. Restore one beside it first, and look at it.
      </p>
    );
  }
  const options = ["", ...names].map((value) => ({ value, name: value || "choose…" }));
  return (
    <Choice
      label="Restored table"
      note="Its name says which table it takes the place of."
      wrong={wrong.restored}
      value={form.restored}
      options={options}
      onValue={(restored) => set({ restored })}
    />
  );
}

function Documents({ form, set, wrong }: Omit<FormProps, "tables">) {
  const isChosen = form.keys !== "" || form.between !== "" || form.where !== "";
  const [isOpen, setOpen] = useState(isChosen);
  return (
    <details open={isOpen} onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>{isChosen ? "Only the documents that fit these" : "Only some documents"}</summary>
      <TextField
        label="Keys"
        lines={3}
        note="One on each line. A key that is no text is JSON: 42."
        wrong={wrong.keys}
        text={form.keys}
        onText={(keys) => set({ keys })}
      />
      <TextField
        label="Between two keys"
        note="Both are included; one of them may be left out."
        example="order-00100..order-00200"
        text={form.between}
        onText={(between) => set({ between })}
      />
      <TextField
        label="That fit a query"
        lines={2}
        note="JSON, as the command line takes it with --where."
        example='{"customer.id": "c42"}'
        text={form.where}
        onText={(where) => set({ where })}
      />
    </details>
  );
}

function Where({ form, set }: Pick<FormProps, "form" | "set">) {
  const who = useShared(signedIn);
  const known = (who.state === "in" && who.session.server.targets) || [];
  const others = known.filter((name) => name !== "live");
  const isDrill = form.way === "drill";
  if (others.length === 0 && form.target === "" && !isDrill) return null;
  const own = isDrill ? "a server that is started for it" : "the cluster that is captured";
  const options = [
    { value: "", name: own },
    ...(isDrill ? [{ value: "live", name: "the cluster that is captured" }] : []),
    ...others.map((value) => ({ value, name: value })),
  ];
  return (
    <Choice
      label="On"
      value={form.target}
      options={options}
      onValue={(target) => set({ target })}
    />
  );
}

function When({ form, set, wrong, has }: PartProps) {
  const { tables } = form;
  if (has("from")) {
    return (
      <>
        <InstantField
          label="Take back what was changed after"
          text={form.from}
          onText={(from) => set({ from })}
          tables={tables}
          whenEmpty={wrong.from}
        />
        <InstantField
          label="until"
          text={form.to}
          onText={(to) => set({ to })}
          tables={tables}
          whenEmpty="Now."
        />
        {form.to.trim() === "" && (
          <p class="recover-careful">
            Without an end, everything that anybody has changed since is taken back, and what was
            made since is deleted.
          </p>
        )}
      </>
    );
  }
  const newest = form.way === "drill" ? "An exact instant, drawn by lot." : "The newest instant.";
  return (
    <>
      {!form.latest && (
        <InstantField
          label="As of"
          text={form.at}
          onText={(at) => set({ at })}
          tables={tables}
          whenEmpty={form.way === "rewind" ? wrong.at : newest}
        />
      )}
      {has("latest") && (
        <Switch label="The newest instant" is={form.latest} onIs={(latest) => set({ latest })} />
      )}
    </>
  );
}

const inexactNames: Record<Form["inexact"], string> = {
  "": "refuse it",
  before: "take what was last known before",
  after: "take what was first known after",
  any: "take what is there",
  nearest: "take the last kept instant before it",
};

const conflictNames: Record<Form["conflict"], string> = {
  refuse: "do nothing at all, and list them",
  skip: "leave that document as it is",
  force: "overwrite these fields with the old value",
  cascade: "make that document what it was before, with all that was changed since",
};

const optionsOf = <T extends string>(names: Record<T, string>, without: readonly T[] = []) =>
  (Object.keys(names) as T[])
    .filter((value) => !without.includes(value))
    .map((value) => ({ value, name: names[value] }));

function Options({ form, set, has }: PartProps) {
  const isRestore = form.way === "beside" || form.way === "restore";
  const none = !has("inexact") && !has("force");
  if (none) return null;
  return (
    <Card title="Details">
      {has("conflict") && (
        <Choice
          label="If a field was set to something else since"
          value={form.conflict}
          options={optionsOf(conflictNames)}
          onValue={(conflict) => set({ conflict })}
        />
      )}
      {has("keepAdded") && (
        <Switch
          label="Keep documents that were made since"
          is={form.keepAdded}
          onIs={(keepAdded) => set({ keepAdded })}
        />
      )}
      {has("force") && (
        <Switch
          label="Promote it though it has fewer documents, or is a part"
          is={form.force}
          onIs={(force) => set({ force })}
        />
      )}
      {has("inexact") && (
        <details open={form.inexact !== "" || form.fields !== ""}>
          <summary>More</summary>
          {has("fields") && (
            <>
              <TextField
                label="Only these fields"
                example="status, address.city"
                text={form.fields}
                onText={(fields) => set({ fields })}
              />
              <TextField
                label="Leave these fields as they are"
                example="rev"
                text={form.ignored}
                onText={(ignored) => set({ ignored })}
              />
            </>
          )}
          <Choice
            label="If an instant is not exact"
            value={form.inexact}
            options={optionsOf(inexactNames, isRestore ? [] : ["nearest"])}
            onValue={(inexact) => set({ inexact })}
          />
          {has("undoableFor") && (
            <TextField
              label="It can be taken back for"
              example="30d"
              text={form.undoableFor}
              onText={(undoableFor) => set({ undoableFor })}
            />
          )}
          {has("withoutAccess") && (
            <Switch
              label="Without users and grants"
              is={form.withoutAccess}
              onIs={(withoutAccess) => set({ withoutAccess })}
            />
          )}
          <TextField
            label="At most, each second"
            example="500, or 5MB"
            text={form.maxRate}
            onText={(maxRate) => set({ maxRate })}
          />
          <Switch
            label="Gently: one batch at a time, with rests"
            is={form.gentle}
            onIs={(gentle) => set({ gentle })}
          />
        </details>
      )}
    </Card>
  );
}
