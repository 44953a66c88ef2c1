/** Who has changed what, and who has read which document. */
import { useState } from "preact/hooks";
import type { Audit as Answer } from "../app/answers.js";
import { ask } from "../app/ask.js";
import { pathOf } from "../app/router.js";
import { may } from "../app/session.js";
import { Moment } from "../app/time.js";
import { Badge, Card, counted, Nothing, Rows, Wrong } from "../parts/bits.js";
import { InstantField } from "../parts/instant-field.js";
import { instantGiven, useAct } from "../parts/operations-act.js";
import { type Deed, deedsIn, type Entry } from "../parts/operations-audit.js";

const entriesOfRequest = "200";

export function Audit() {
  if (!may("administer")) return <Nothing>The audit is for the role admin.</Nothing>;
  return <Entries />;
}

/** It is asked for by a button alone: each reading of the audit is an entry of it. */
function Entries() {
  const doing = useAct();
  const [from, setFrom] = useState("24 hours ago");
  const [found, setFound] = useState<{ entries: Entry[]; next: string | null; isAll: boolean }>();
  const read = (query: Record<string, string | undefined>, before: Entry[]) =>
    doing.act(async () => {
      const path = pathOf("/v1/audit", { ...query, limit: entriesOfRequest });
      const { entries, next } = await ask<Answer>(path);
      const isAll = entries.length < Number(entriesOfRequest);
      setFound({ entries: [...before, ...entries], next, isAll });
    });
  return (
    <Card title="Who has done what">
      <form
        class="operations-bar"
        onSubmit={(event) => {
          event.preventDefault();
          void read({ from: instantGiven(from).at }, []);
        }}
      >
        <InstantField label="From" text={from} onText={setFrom} />
        <button type="submit" class="main" disabled={doing.isActing}>
          Read the audit
        </button>
      </form>
      <p class="note">
        Reading the audit is an entry of it too, so it is read only when you ask. A day is read if
        no instant is given.
      </p>
      {doing.error && <Wrong error={doing.error} />}
      {found && (
        <Found
          entries={found.entries}
          isAll={found.isAll}
          isReading={doing.isActing}
          onMore={() => void read({ after: found.next ?? undefined }, found.entries)}
        />
      )}
    </Card>
  );
}

function Found({
  entries,
  isAll,
  isReading,
  onMore,
}: {
  entries: readonly Entry[];
  isAll: boolean;
  isReading: boolean;
  onMore: () => void;
}) {
  const deeds = deedsIn(entries);
  return (
    <>
      <p role="status">
        {counted(deeds.length, "entry", "entries")}, the oldest first
        {isAll ? ": all until you asked." : "; more follow."}
      </p>
      {deeds.length > 0 && (
        <Rows
          caption="The audit, the oldest first"
          heads={["When", "Who", "What", "Over", "Outcome", "Address"]}
          rows={deeds.map((deed, i) => ({ key: `${deed.at} ${i}`, cells: cellsOf(deed) }))}
        />
      )}
      <button type="button" disabled={isReading} onClick={onMore}>
        {isAll ? "Read what came since" : "Read more"}
      </button>
    </>
  );
}

function cellsOf({ at, began, actor, what, over, outcome, address }: Deed) {
  return [
    <Moment at={began ?? at} />,
    <>
      {actor.name} <span class="note">{actor.via}</span>
    </>,
    what,
    <div class="operations-over">
      {Object.entries(over)
        .filter(([, value]) => value !== "")
        .map(([name, value]) => (
          <div key={name}>
            <b>{name}</b> {value}
          </div>
        ))}
    </div>,
    <Outcome is={outcome} />,
    address,
  ];
}

function Outcome({ is }: { is: string }) {
  if (is === "done") return <Badge>done</Badge>;
  if (is === "begins") return <Badge tone="unknown">began, no end is known</Badge>;
  return <Badge tone="warn">{is}</Badge>;
}
