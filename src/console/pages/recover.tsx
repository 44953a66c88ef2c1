/** Asks for a recovery: what, when and how; its plan is seen before anything is written. */
import "./recover.css";
import { useMemo, useRef, useState } from "preact/hooks";
import type { Recovery, TableStatus } from "../app/answers.js";
import { ask, newKey, Problem, useAsked } from "../app/ask.js";
import { go, Link, pathOf, settle, usePlace } from "../app/router.js";
import { may, signedIn } from "../app/session.js";
import { useShared } from "../app/store.js";
import { now } from "../app/time.js";
import { Card, Command, Title, Wrong } from "../parts/bits.js";
import type { Draft } from "../parts/recover-draft.js";
import { FormParts } from "./recover-form.js";
import { Ways } from "./recover-ways.js";
import { commandText, type Form, formOf, type Request, requestOf } from "./recover-words.js";

export function Recover() {
  const { state } = usePlace();
  const draft = state["draft"] as Partial<Draft> | undefined;
  // Another draft is another form; what is typed stays with this one.
  return (
    <RecoverForm
      key={JSON.stringify(draft)}
      draft={draft}
      before={state["form"] as Form | undefined}
    />
  );
}

function RecoverForm({
  draft,
  before,
}: {
  draft: Partial<Draft> | undefined;
  before: Form | undefined;
}) {
  const [form, setForm] = useState<Form>(() => before ?? formOf(draft));
  const [isPressed, setPressed] = useState(before !== undefined);
  const tables = useAsked<{ tables: TableStatus[] }>("/v1/tables");
  const names = tables.data?.tables.map(({ name }) => name) ?? [];
  // Once for each change, so that "10 minutes ago" is one instant in the command and in the request.
  const asked = useMemo(() => requestOf(form, now()), [form]);
  const set = (change: Partial<Form>) => setForm((old) => ({ ...old, ...change }));
  const wrong = "wrong" in asked ? asked.wrong : {};
  return (
    <>
      <Title>Recover</Title>
      <form class="recover" onSubmit={(event) => event.preventDefault()}>
        <div class="recover-columns">
          <div>
            <Card title="How">
              <Ways way={form.way} onWay={(way) => set({ way })} />
            </Card>
          </div>
          <div>
            <FormParts form={form} set={set} wrong={isPressed ? wrong : {}} tables={names} />
            <Ask
              form={form}
              draft={draft}
              asked={"request" in asked ? asked.request : undefined}
              wrong={isPressed ? Object.values(wrong) : []}
              onPress={() => setPressed(true)}
            />
          </div>
        </div>
      </form>
    </>
  );
}

/** A press, and the same press again after an answer that was lost, is one request. */
function usePressKey() {
  const pressed = useRef<{ body: string; key: string } | undefined>(undefined);
  return {
    of: (body: string): string => {
      if (pressed.current?.body !== body) pressed.current = { body, key: newKey() };
      return pressed.current.key;
    },
    forget: () => {
      pressed.current = undefined;
    },
  };
}

function Ask({
  form,
  draft,
  asked,
  wrong,
  onPress,
}: {
  form: Form;
  draft: Partial<Draft> | undefined;
  asked: Request | undefined;
  wrong: string[];
  onPress: () => void;
}) {
  const who = useShared(signedIn);
  const [isAsking, setAsking] = useState(false);
  const [error, setError] = useState<Problem>();
  const pressKey = usePressKey();
  if (who.state === "out" || who.state === "asking") return null;
  const server = who.state === "in" ? who.session.server : undefined;
  const isDrill = form.way === "drill";
  const repo = server?.repository;
  const command = asked ? commandText(asked, { repo }, isDrill ? [] : ["--dry-run"]) : "";
  const press = async () => {
    onPress();
    if (!asked) return;
    const body = { ...asked, ...(isDrill ? {} : { confirm: true }) };
    setAsking(true);
    setError(undefined);
    try {
      const headers = { "idempotency-key": pressKey.of(JSON.stringify(body)) };
      const made = await ask<Recovery>("/v1/recoveries", { method: "POST", body, headers });
      pressKey.forget();
      // A step back shows the form as it was.
      settle("/recover", { ...(draft ? { draft } : {}), form });
      go(`/recoveries/${made.id}`);
    } catch (thrown) {
      setError(thrown instanceof Problem ? thrown : new Problem(0, "defect", String(thrown)));
      setAsking(false);
    }
  };
  return (
    <Card title={isDrill ? "Begin" : "See first"}>
      {server?.targets === null && <NobodyHere />}
      {may("request") ? (
        <>
          <p>
            {isDrill
              ? "A drill has no plan: it begins at once."
              : "Nothing is written yet: the plan is made, and shown with what it changes."}
          </p>
          <LookFirst form={form} />
          <button type="button" class="main" disabled={isAsking} onClick={() => void press()}>
            {isDrill ? "Begin the drill" : isAsking ? "asking…" : "See the plan"}
          </button>
          {wrong.length > 0 && (
            <div class="wrong" role="alert">
              {wrong.map((text) => (
                <div key={text}>{text}</div>
              ))}
            </div>
          )}
          {error && <Wrong error={error} />}
        </>
      ) : (
        <p>
          {who.state === "in" ? who.session.name : "You"} may not request recoveries: an operator or
          an admin may. Give them the command below, or ask them to open this page.
        </p>
      )}
      <h3>The same on the command line</h3>
      {asked ? (
        <>
          <Command>{command}</Command>
          <p class="note">
            {command.includes("--target=") && "URL is the address of the cluster to write to. "}
            {!isDrill && "Without --dry-run it is carried out at once."}
          </p>
        </>
      ) : (
        <p class="nothing">It stands here when the form is complete.</p>
      )}
    </Card>
  );
}

/** Looking costs nothing, and is the first step of every way that changes live documents. */
function LookFirst({ form: { way, tables, at, from } }: { form: Form }) {
  const [table] = tables;
  const isOfOne = tables.length === 1 && table?.includes(".");
  if (!isOfOne || !["beside", "undo", "rewind"].includes(way)) return null;
  const then = (way === "undo" ? from : at).trim();
  return (
    <p>
      Or look first:{" "}
      <Link to={pathOf("/compare", { table, at: then || undefined })}>
        compare {table} with what it was
      </Link>
    </p>
  );
}

/** A request lies in the repository: any process that carries out recoveries takes it. */
const NobodyHere = () => (
  <p class="recover-careful">
    This server carries out no recoveries. What is asked for here waits until a process does that:{" "}
    <code>thinkback run --recoveries</code>. Whoever has a shell can give the command below instead.
  </p>
);
