/** Restores on trial: what they found, how long they took, and beside them what checks of stored objects found. */
import { useRef, useState } from "preact/hooks";
import type { Drills as Answer, Recovery } from "../app/answers.js";
import { ask, newKey, useAsked } from "../app/ask.js";
import { go } from "../app/router.js";
import { may, signedIn } from "../app/session.js";
import { useShared } from "../app/store.js";
import { Moment } from "../app/time.js";
import { Badge, Card, countText, Nothing, Rows, Shown } from "../parts/bits.js";
import { InstantField } from "../parts/instant-field.js";
import {
  AskingDialog,
  Choice,
  instantGiven,
  Reason,
  TextField,
  useAct,
  useFirst,
} from "../parts/operations-act.js";
import { type Drill, differenceText, outcomeOf, toneOf } from "../parts/operations-drills.js";
import { Trend } from "./operations-trend.js";
import { Verifications } from "./operations-verifications.js";

const everyMs = 15_000;

export function Drills() {
  const asked = useAsked<Answer>("/v1/drills", { topic: "recoveries", everyMs });
  const [isStarting, setStarting] = useState(false);
  const start = (
    <button type="button" onClick={() => setStarting(true)}>
      Start a drill…
    </button>
  );
  return (
    <>
      <Card title="Drills" beside={may("request") && start}>
        <p class="note">
          A drill restores on trial and compares. Only a drill proves that a restore works.
        </p>
        <Shown asked={asked}>
          {({ drills, damaged }) => (
            <>
              <Damaged of={damaged} />
              {drills.length === 0 ? (
                <Nothing>No drill has been made: that a restore works is not proven.</Nothing>
              ) : (
                <>
                  <Trend drills={drills} />
                  <DrillRows drills={drills} />
                </>
              )}
            </>
          )}
        </Shown>
        {isStarting && <StartDrill onClose={() => setStarting(false)} />}
      </Card>
      <Verifications />
    </>
  );
}

/** Records that nobody can read. */
export const Damaged = ({ of }: { of: readonly string[] }) =>
  of.length === 0 ? null : (
    <p class="operations-names">
      <Badge tone="bad">damaged</Badge> These records cannot be read: {of.join(", ")}
    </p>
  );

function DrillRows({ drills }: { drills: readonly Drill[] }) {
  const { first, more } = useFirst(drills, 20);
  return (
    <>
      <Rows
        caption="Drills, the newest first"
        heads={["Ended", "Result", "Instant restored", "Documents", "Took", "What was found"]}
        rows={first.map((drill) => ({
          key: `${drill.ended} ${drill.begun}`,
          cells: [
            <Moment at={drill.ended} />,
            <Badge tone={toneOf[outcomeOf(drill)]}>{outcomeOf(drill)}</Badge>,
            <>
              <Moment at={drill.instant} short /> <span class="note">{drill.class}</span>
            </>,
            countText(drill.documents),
            `${drill.seconds.toFixed(1)} s`,
            <Found drill={drill} />,
          ],
        }))}
      />
      {more}
    </>
  );
}

/** So many tables that differ, and checks, are shown of one drill. */
const foundMax = 10;

function Found({ drill: { failure, tables, checks = [] } }: { drill: Drill }) {
  if (failure) {
    return (
      <>
        {failure.kind}: <Reason of={failure.reason} />
      </>
    );
  }
  const differing = tables.filter(({ ok }) => !ok);
  const passed = checks.filter(({ outcome }) => outcome === "passed").length;
  const failed = checks.filter(({ outcome }) => outcome !== "passed");
  const lines = [
    ...differing.map((table) => ({
      key: table.id,
      shown: `${table.name}: ${differenceText(table) || "differs"}`,
    })),
    ...failed.map((check, i) => ({
      key: `check ${i}`,
      shown: (
        <>
          {check.table}, {check.outcome}: <Reason of={check.reason} />
        </>
      ),
    })),
  ];
  return (
    <div class="operations-names">
      {tables.length - differing.length} of {tables.length} tables equal
      {checks.length > 0 && `, ${passed} of ${checks.length} expectations met`}
      {lines.slice(0, foundMax).map(({ key, shown }) => (
        <div key={key}>{shown}</div>
      ))}
      {lines.length > foundMax && <div>and {lines.length - foundMax} more</div>}
    </div>
  );
}

function StartDrill({ onClose }: { onClose: () => void }) {
  const who = useShared(signedIn);
  const targets = who.state === "in" ? who.session.server.targets : null;
  const doing = useAct();
  const [at, setAt] = useState("");
  const [tables, setTables] = useState("");
  const [target, setTarget] = useState("");
  // The same request that is sent again is one.
  const pressed = useRef<{ body: string; key: string }>(undefined);
  const submit = async () => {
    const given = instantGiven(at).at;
    const args = [
      given === undefined ? "--latest" : `--at=${given}`,
      ...tables.split(/[\s,]+/).flatMap((one) => (one === "" ? [] : [`--table=${one}`])),
      ...(target === "" ? [] : [`--target=${target}`]),
    ];
    await doing.act(async () => {
      const body = args.join("\0");
      if (pressed.current?.body !== body) pressed.current = { body, key: newKey() };
      const headers = { "idempotency-key": pressed.current.key };
      const options = { method: "POST" as const, body: { args }, headers };
      const { id } = await ask<Recovery>("/v1/drills", options);
      onClose();
      go(`/recoveries/${id}`);
    });
  };
  return (
    <AskingDialog
      title="Start a drill"
      submit="Start the drill"
      doing={doing}
      onSubmit={() => void submit()}
      onClose={onClose}
    >
      {targets === null && (
        <p>
          This process carries out no recoveries: the drill waits until one with --recoveries takes
          it.
        </p>
      )}
      <InstantField label="Instant" text={at} onText={setAt} />
      <p class="note">Without one it is the newest that can be restored.</p>
      <TextField
        label="Tables"
        text={tables}
        onText={setTables}
        hint="such as shop.orders, shop.carts; without any it is all of them"
        most={4000}
      />
      {targets !== null && targets.length > 0 && (
        <Choice
          label="Where"
          value={target}
          onValue={setTarget}
          among={[["", "a server of its own"], ...targets.map((one) => [one, one] as const)]}
        />
      )}
    </AskingDialog>
  );
}
