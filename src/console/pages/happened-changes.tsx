/** The cases in which the tables are there, and documents in them are not what they should be; and looking around. */
import { useState } from "preact/hooks";
import type { Status } from "../app/answers.js";
import { useAsked } from "../app/ask.js";
import { go, Link, pathOf } from "../app/router.js";
import { may } from "../app/session.js";
import { now } from "../app/time.js";
import { Card, Command } from "../parts/bits.js";
import { useKnownPoints } from "../parts/known-points.js";
import { keyKind, keyOf } from "../parts/stored-json.js";
import { Bursts, dayMs, Found, Way } from "./happened-steps.js";

export function DocumentCase() {
  return (
    <>
      <Way
        steps={[
          "Look: what was deleted or overwritten",
          "Compare it with just before",
          "Recover these documents, or put them beside first",
        ]}
      />
      <Card title="Many at once? Bursts of the last day, the largest first">
        <Bursts none="No burst of deletes or overwrites was found in the last day." />
      </Card>
      <Card title="One document? Its versions, by its key">
        <OneDocument />
      </Card>
      <Card title="A few, at a time that you know">
        <p>
          <Link class="button" to="/compare">
            Choose the instant and the tables
          </Link>
        </p>
      </Card>
    </>
  );
}

function OneDocument() {
  const { data } = useAsked<Status>("/v1/status", { topic: "tables" });
  const [table, setTable] = useState("");
  const [text, setText] = useState("");
  const names = [...new Set((data?.tables ?? []).map(({ name }) => name))].sort();
  const read = keyOf(text);
  const isReady = names.includes(table) && "key" in read;
  if (!may("contents")) {
    return <p class="note">Documents and their keys are hidden from this role.</p>;
  }
  const submit = (event: Event) => {
    event.preventDefault();
    if (isReady && "key" in read)
      go(`/tables/${encodeURIComponent(table)}/document`, { key: read.key });
  };
  return (
    <form class="happened-document" onSubmit={submit}>
      <div class="field">
        <label for="happened-table">Table</label>
        <input
          id="happened-table"
          list="happened-tables"
          value={table}
          placeholder="shop.orders"
          autocomplete="off"
          spellcheck={false}
          onInput={({ currentTarget }) => setTable(currentTarget.value.trim())}
        />
        <datalist id="happened-tables">
          {names.map((name) => (
            <option key={name} value={name} />
          ))}
        </datalist>
      </div>
      <div class="field">
        <label for="happened-key">Key</label>
        <input
          id="happened-key"
          value={text}
          placeholder="order-00042, 42, [1, 2]"
          autocomplete="off"
          spellcheck={false}
          aria-describedby="happened-key-said"
          onInput={({ currentTarget }) => setText(currentTarget.value)}
        />
        <div id="happened-key-said" class="said">
          {"key" in read ? `taken for ${keyKind(read.key)}` : read.wrong}
        </div>
      </div>
      <button type="submit" class="main" disabled={!isReady}>
        Show its versions
      </button>
    </form>
  );
}

export function DeployCase() {
  return (
    <>
      <Way
        steps={[
          "Look: since when, and which tables",
          "Compare with just before",
          "Undo just that stretch: what others have changed since stays",
        ]}
      />
      <Card title="Bursts of the last day, the largest first">
        <Bursts none="No burst of deletes or overwrites was found in the last day. A slow job makes none: choose the instant yourself." />
      </Card>
      <Card title="Marks of the last day">
        <Marks />
      </Card>
      <Card title="Another instant, or all tables">
        <p>
          <Link class="button" to="/compare">
            Choose the instant and the tables
          </Link>
        </p>
      </Card>
    </>
  );
}

function Marks() {
  const { data } = useKnownPoints();
  const isWanted = ({ kind, at }: { kind: string; at: string }) =>
    kind === "mark" && Date.parse(at) > now() - dayMs;
  const marks = (data?.points ?? []).filter(isWanted).reverse();
  if (data && marks.length === 0) {
    return (
      <>
        <p class="nothing">
          None. A deployment that makes a mark is found here by its name the next time:
        </p>
        <Command>{'thinkback mark "deploy 42" --repo REPO'}</Command>
      </>
    );
  }
  return (
    <ul class="happened-list">
      {marks.map(({ id, text, at, before }) => (
        <Found key={id} title={text} at={at}>
          <Link class="button main" to={pathOf("/compare", { at: before })}>
            Compare all tables with just before
          </Link>
        </Found>
      ))}
    </ul>
  );
}

export function LookingCase() {
  return (
    <>
      <Way steps={["Look", "Compare", "Decide then"]} />
      <ul class="happened-list card">
        <Found title="When did something happen? The timeline of all tables, with points">
          <Link class="button main" to="/">
            Overview
          </Link>
        </Found>
        <Found title="What is different now? Live tables beside an instant">
          <Link class="button" to="/compare">
            Live beside then
          </Link>
        </Found>
        <Found title="What became of one table, or of one document?">
          <Link class="button" to="/tables">
            Tables
          </Link>
        </Found>
      </ul>
      <Card title="With your own tools">
        <p>
          A preview starts a server of its own with the tables as they were, until it is stopped.
          What is written there is lost.
        </p>
        <Command>{'thinkback preview --repo REPO --at "10 minutes ago"'}</Command>
      </Card>
    </>
  );
}
