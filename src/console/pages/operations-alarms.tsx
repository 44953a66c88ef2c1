/** What is wrong now, who need not be told of it for a while, and what could not be told. */
import { useState } from "preact/hooks";
import type { Alarms as Answer } from "../app/answers.js";
import { ask, useAsked } from "../app/ask.js";
import { may } from "../app/session.js";
import { Moment } from "../app/time.js";
import { Badge, Card, counted, Nothing, Rows, Shown, Wrong } from "../parts/bits.js";
import { AskingDialog, Choice, Reason, TextField, useAct } from "../parts/operations-act.js";

type Alarm = Answer["open"][number];

const everyMs = 15_000;

export function Alarms() {
  const asked = useAsked<Answer>("/v1/alarms", { topic: "alarms", everyMs });
  const [silenced, setSilenced] = useState<Alarm>();
  return (
    <Shown asked={asked}>
      {(answer) => (
        <>
          <Card title="Open alarms">
            {answer.open.length === 0 && <Nothing>No alarm is open.</Nothing>}
            {bySeverity(answer.open).map((alarm) => (
              <OneAlarm key={alarm.id} alarm={alarm} onSilence={() => setSilenced(alarm)} />
            ))}
            {silenced && (
              <SilenceDialog
                alarm={silenced}
                onClose={() => setSilenced(undefined)}
                onSilenced={() => {
                  setSilenced(undefined);
                  asked.again();
                }}
              />
            )}
          </Card>
          <Silences answer={answer} onEnded={asked.again} />
          <Undelivered answer={answer} />
        </>
      )}
    </Shown>
  );
}

/** A text in which commands stand between backquotes. */
const WithCode = ({ text }: { text: string }) => (
  <>{text.split("`").map((part, i) => (i % 2 === 1 ? <code key={i}>{part}</code> : part))}</>
);

/** Critical ones first, of these the newest. */
const bySeverity = (open: readonly Alarm[]): Alarm[] =>
  open.toSorted(
    (a, b) =>
      Number(b.severity === "critical") - Number(a.severity === "critical") ||
      Date.parse(b.since) - Date.parse(a.since),
  );

function OneAlarm({ alarm, onSilence }: { alarm: Alarm; onSilence: () => void }) {
  const { id, kind, severity, since, silenced, text, hint, docs } = alarm;
  return (
    <article class="operations-alarm">
      <h3>
        <Badge tone={severity === "critical" ? "bad" : "warn"}>{severity ?? "alarm"}</Badge>
        {kind}
        {silenced && <Badge>silenced</Badge>}
      </h3>
      <p>{text === null ? <Reason of={text} /> : <WithCode text={text} />}</p>
      {hint && (
        <p>
          <strong>What to do:</strong> <WithCode text={hint} />.
        </p>
      )}
      <p class="note">
        Since <Moment at={since} />. More in <code>{docs}</code>.
      </p>
      {may("request") && !silenced && (
        <div>
          <button type="button" aria-label={`Silence… the alarm ${id}`} onClick={onSilence}>
            Silence…
          </button>
        </div>
      )}
    </article>
  );
}

const lengths = [
  ["1h", "for an hour"],
  ["4h", "for 4 hours"],
  ["24h", "for a day"],
  ["168h", "for 7 days"],
  ["720h", "for 30 days"],
] as const;

function SilenceDialog({
  alarm,
  onClose,
  onSilenced,
}: {
  alarm: Alarm;
  onClose: () => void;
  onSilenced: () => void;
}) {
  const doing = useAct();
  const [what, setWhat] = useState(alarm.id);
  const [length, setLength] = useState<string>(lengths[0][0]);
  const [reason, setReason] = useState("");
  const submit = async () => {
    const body = { what, for: length, reason: reason.trim() };
    if (await doing.act(() => ask("/v1/silences", { method: "POST", body }))) onSilenced();
  };
  return (
    <AskingDialog
      title={`Silence ${alarm.kind}`}
      submit="Silence it"
      doing={doing}
      onSubmit={() => void submit()}
      onClose={onClose}
    >
      <p>Nobody is told of it until then. It stays here, and what is wrong stays wrong.</p>
      <Choice
        label="What"
        value={what}
        onValue={setWhat}
        among={[
          [alarm.id, "this alarm"],
          [alarm.kind, `every alarm of the kind ${alarm.kind}`],
        ]}
      />
      <Choice label="How long" value={length} onValue={setLength} among={lengths} />
      <TextField label="Reason" text={reason} onText={setReason} isNeeded most={500} />
    </AskingDialog>
  );
}

function Silences({ answer: { silences }, onEnded }: { answer: Answer; onEnded: () => void }) {
  const doing = useAct();
  const mayEnd = may("request");
  const end = async (what: string) => {
    const path = `/v1/silences/${encodeURIComponent(what)}`;
    if (await doing.act(() => ask(path, { method: "DELETE" }))) onEnded();
  };
  return (
    <Card title="Silences">
      {doing.error && <Wrong error={doing.error} />}
      {silences.length === 0 ? (
        <Nothing>Nothing is silenced.</Nothing>
      ) : (
        <Rows
          caption="Silences"
          heads={["What", "Since", "Until", "Reason", ...(mayEnd ? ["End"] : [])]}
          rows={silences.map(({ what, since, until, reason }) => ({
            key: what,
            cells: [
              what,
              <Moment at={since} short />,
              <Moment at={until} />,
              <Reason of={reason} />,
              ...(mayEnd
                ? [
                    <button
                      type="button"
                      aria-label={`End it: the silence of ${what}`}
                      disabled={doing.isActing}
                      onClick={() => void end(what)}
                    >
                      End it
                    </button>,
                  ]
                : []),
            ],
          }))}
        />
      )}
    </Card>
  );
}

function Undelivered({ answer: { undelivered } }: { answer: Answer }) {
  const channels = Object.entries(undelivered);
  return (
    <Card title="Notices">
      {channels.length === 0 ? (
        <Nothing>No notice waits to be delivered.</Nothing>
      ) : (
        channels.map(([channel, count]) => (
          <p key={channel}>
            <Badge tone="warn">{counted(count, "notice")}</Badge> still to be delivered to {channel}
          </p>
        ))
      )}
    </Card>
  );
}
