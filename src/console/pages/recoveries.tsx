/** All recoveries, the newest first; above them those that wait for whoever looks. */
import "./recovery.css";
import { useState } from "preact/hooks";
import type { Recoveries as Answer } from "../app/answers.js";
import { useAsked } from "../app/ask.js";
import { Link } from "../app/router.js";
import { may, signedIn } from "../app/session.js";
import { useShared } from "../app/store.js";
import { Moment } from "../app/time.js";
import { Bar, Card, countText, Nothing, Rows, Shown, Title, Wrong } from "../parts/bits.js";
import { consentsOf, type Listed, StateBadge } from "./recovery-state.js";

/** So many are drawn at once. */
const drawnMax = 50;

const states = ["waiting", "planned", "running", "done", "failed", "parked", "cancelled"];

export function Recoveries() {
  const asked = useAsked<Answer>("/v1/recoveries", { topic: "recoveries" });
  const beside = may("request") && (
    <Link to="/recover" class="button main">
      Recover
    </Link>
  );
  return (
    <>
      <Title beside={beside}>Recoveries</Title>
      <Shown asked={asked}>{(answer) => <All {...answer} />}</Shown>
    </>
  );
}

function All({ recoveries, damaged }: Answer) {
  const who = useShared(signedIn);
  const [state, setState] = useState("");
  const [most, setMost] = useState(drawnMax);
  const name = who.state === "in" ? who.session.name : "";
  const mine = recoveries.filter((one) => {
    const { confirm, approve } = consentsOf(one, { name, may });
    return confirm || approve;
  });
  const fits = state === "" ? recoveries : recoveries.filter((one) => one.state === state);
  const counts = states.map((of) => ({
    of,
    count: recoveries.filter((one) => one.state === of).length,
  }));
  const drawn = fits.slice(0, most);
  return (
    <>
      {damaged.length > 0 && (
        <Wrong
          error={{
            message: `An object of ${damaged.join(", ")} is damaged.`,
            hint: "`thinkback verify` names it.",
          }}
        />
      )}
      {mine.length > 0 && (
        <Card title={`Waiting for you (${countText(mine.length)})`} kind="recovery-decide">
          <Listing recoveries={mine} caption="Recoveries that wait for you" />
        </Card>
      )}
      <Card
        title="All"
        beside={
          <label>
            State{" "}
            <select
              value={state}
              onChange={({ currentTarget }) => {
                setState(currentTarget.value);
                setMost(drawnMax);
              }}
            >
              <option value="">any ({countText(recoveries.length)})</option>
              {counts.map(({ of, count }) => (
                <option key={of} value={of}>
                  {of} ({countText(count)})
                </option>
              ))}
            </select>
          </label>
        }
      >
        {fits.length === 0 ? (
          <Nothing>
            {recoveries.length === 0
              ? "Nothing was requested yet. What a recovery would change is shown before it is done."
              : `None is ${state} now.`}
          </Nothing>
        ) : (
          <Listing recoveries={drawn} caption="Recoveries" />
        )}
        {fits.length > drawn.length && (
          <button type="button" onClick={() => setMost(most + drawnMax)}>
            Show more: {countText(fits.length - drawn.length)} are left
          </button>
        )}
      </Card>
    </>
  );
}

function Listing({ recoveries, caption }: { recoveries: Listed[]; caption: string }) {
  return (
    <Rows
      caption={caption}
      heads={["recovery", "state", "requested by", "when", "how far"]}
      rows={recoveries.map((one) => ({
        key: one.id,
        cells: [
          <Link to={`/recoveries/${one.id}`}>
            {one.command} <code>{one.id}</code>
          </Link>,
          <StateBadge recovery={one} />,
          one.by.name,
          <Moment at={one.createdAt} short />,
          <HowFar recovery={one} />,
        ],
      }))}
    />
  );
}

function HowFar({ recovery }: { recovery: Listed }) {
  const { state, progress, error, changedAt } = recovery;
  if (state === "running") return <Bar share={progress?.share ?? null} name="done" />;
  if (error && (state === "failed" || state === "parked")) return <>{error.code}</>;
  if (state !== "done" && state !== "cancelled") return null;
  return (
    <span class="note">
      {state} <Moment at={changedAt} short />
    </span>
  );
}
