/** What is open now, and every stretch in which something was not watched or is lost, with what was noted of it. */
import { useState } from "preact/hooks";
import type { Status } from "../app/answers.js";
import { ask, useAsked } from "../app/ask.js";
import { may } from "../app/session.js";
import { durationText, isoText, Moment, useNow } from "../app/time.js";
import { Badge, Card, counted, Nothing, Rows, Shown, type Tone } from "../parts/bits.js";
import {
  AskingDialog,
  Choice,
  Reason,
  TextField,
  useAct,
  useFirst,
} from "../parts/operations-act.js";
import { type GapGroup, gapGroups, openTroubles, tablesIn } from "../parts/operations-gaps.js";

/** So many tables one request takes. */
const tablesOfRequest = 200;

const tones: Record<string, Tone> = { gap: "bad", damaged: "bad", unwatched: "unknown" };

export function Gaps() {
  const asked = useAsked<Status>("/v1/status", { topic: "tables", everyMs: 20_000 });
  return (
    <Shown asked={asked}>
      {(status) => (
        <>
          <Open status={status} />
          <Past groups={gapGroups(status)} onNoted={asked.again} />
        </>
      )}
    </Shown>
  );
}

function Open({ status }: { status: Status }) {
  const now = useNow();
  const troubles = openTroubles(status);
  return (
    <Card title="Open now">
      {troubles.length === 0 ? (
        <Nothing>No table has an open gap, as far as the repository says.</Nothing>
      ) : (
        <Rows
          caption="What is open now"
          heads={["What", "Of", "Since", "For", "Reason"]}
          rows={troubles.map(({ is, names, since, reason }) => ({
            key: `${is} ${names[0]} ${reason}`,
            cells: [
              <Badge tone="bad">{is}</Badge>,
              <Names of={names} />,
              <Moment at={since} />,
              durationText(now - since),
              <Reason of={reason} />,
            ],
          }))}
        />
      )}
      <p class="note">
        An open gap ends by itself when the table is watched again and was read anew. What changed
        meanwhile is then known, but not when.
      </p>
    </Card>
  );
}

function Past({ groups, onNoted }: { groups: GapGroup[]; onNoted: () => void }) {
  const [wanted, setWanted] = useState("all");
  const [chosen, setChosen] = useState<GapGroup>();
  const shown = wanted === "all" ? groups : groups.filter(({ acknowledged }) => !acknowledged);
  const { first, more } = useFirst(shown);
  return (
    <Card title="Gaps and damage in the history">
      <div class="operations-bar">
        <Choice
          label="Show"
          value={wanted}
          onValue={setWanted}
          among={[
            ["all", "all"],
            ["open", "not acknowledged"],
          ]}
        />
      </div>
      {shown.length === 0 ? (
        <Nothing>{wanted === "all" ? "There are none." : "All are acknowledged."}</Nothing>
      ) : (
        <Rows
          caption="Gaps and damage in the history, the newest first"
          heads={["What", "Of", "From", "For", "Reason", "Acknowledged"]}
          rows={first.map((group) => ({
            key: `${group.class} ${group.from} ${group.names[0]} ${group.acknowledged?.at}`,
            cells: [
              <Badge tone={tones[group.class] ?? "unknown"}>{group.class}</Badge>,
              <Names of={group.names} />,
              <Moment at={group.from} />,
              group.goesOn ? "not ended yet" : durationText(group.to - group.from + 1),
              <Reason of={group.reason} />,
              <Acknowledged group={group} onChoose={() => setChosen(group)} />,
            ],
          }))}
        />
      )}
      {more}
      {chosen && (
        <Acknowledge
          group={chosen}
          onClose={() => setChosen(undefined)}
          onNoted={() => {
            setChosen(undefined);
            onNoted();
          }}
        />
      )}
    </Card>
  );
}

function Acknowledged({ group, onChoose }: { group: GapGroup; onChoose: () => void }) {
  const { acknowledged, goesOn } = group;
  if (acknowledged) {
    return (
      <>
        {acknowledged.note}{" "}
        <span class="note">
          <Moment at={acknowledged.at} short />
        </span>
      </>
    );
  }
  if (!may("request") || goesOn || tablesIn(group).length === 0) {
    return <span class="note">no</span>;
  }
  return (
    <button type="button" onClick={onChoose}>
      Acknowledge…
    </button>
  );
}

function Acknowledge({
  group,
  onClose,
  onNoted,
}: {
  group: GapGroup;
  onClose: () => void;
  onNoted: () => void;
}) {
  const doing = useAct();
  const [note, setNote] = useState("");
  const tables = tablesIn(group);
  const submit = async () => {
    const isDone = await doing.act(async () => {
      for (let i = 0; i < tables.length; i += tablesOfRequest) {
        const part = tables.slice(i, i + tablesOfRequest);
        const body = { tables: part, at: isoText(group.common), note };
        await ask("/v1/gaps/acknowledge", { method: "POST", body });
      }
    });
    if (isDone) onNoted();
  };
  return (
    <AskingDialog
      title="Acknowledge this gap"
      submit={`Acknowledge for ${counted(tables.length, "table")}`}
      doing={doing}
      onSubmit={() => void submit()}
      onClose={onClose}
    >
      <p>
        The note says to others that this gap is known. It changes nothing in what can be restored,
        and cannot be changed later.
      </p>
      <p class="operations-names">
        <Names of={tables} /> from <Moment at={group.from} />
      </p>
      <TextField label="Note" text={note} onText={setNote} isNeeded most={500} />
    </AskingDialog>
  );
}

/** So many names stand in a row; more are behind a count. */
const namesMax = 3;

export function Names({ of }: { of: readonly string[] }) {
  if (of.length <= namesMax) return <span class="operations-names">{of.join(", ")}</span>;
  return (
    <div class="operations-names">
      <details>
        <summary>{counted(of.length, "table")}</summary>
        <ul>
          {of.map((name) => (
            <li key={name}>{name}</li>
          ))}
        </ul>
      </details>
    </div>
  );
}
