/** Each section in a few words, with the way to it. */
import type { ComponentChildren } from "preact";
import type { Alarms, Drills, Status } from "../app/answers.js";
import { useAsked } from "../app/ask.js";
import { Link } from "../app/router.js";
import { may } from "../app/session.js";
import { Moment } from "../app/time.js";
import { Badge, Card, counted, Shown } from "../parts/bits.js";
import { outcomeOf, toneOf } from "../parts/operations-drills.js";
import { gapGroups, openTroubles, tablesIn } from "../parts/operations-gaps.js";
import { CaptureBadge, CaptureText } from "./operations-processes.js";
import { lagOf } from "./operations-stores.js";

const everyMs = 15_000;

export function Summary() {
  const status = useAsked<Status>("/v1/status", { topic: "tables", everyMs });
  const alarms = useAsked<Alarms>("/v1/alarms", { topic: "alarms" });
  const drills = useAsked<Drills>("/v1/drills", { topic: "recoveries" });
  return (
    <div class="operations-summary">
      <Section name="alarms" title="Alarms">
        <Shown asked={alarms}>{(answer) => <OfAlarms {...answer} />}</Shown>
      </Section>
      <Section name="processes" title="Processes">
        <Shown asked={status}>{(answer) => <OfProcesses {...answer} />}</Shown>
      </Section>
      <Section name="stores" title="Stores">
        <Shown asked={status}>{({ copies }) => <OfStores copies={copies} />}</Shown>
      </Section>
      <Section name="gaps" title="Gaps">
        <Shown asked={status}>{(answer) => <OfGaps status={answer} />}</Shown>
      </Section>
      <Section name="pins" title="Pins and marks">
        <Shown asked={status}>{({ pins }) => <OfPins pins={pins} />}</Shown>
      </Section>
      <Section name="drills" title="Drills and checks">
        <Shown asked={drills}>{(answer) => <OfDrills {...answer} />}</Shown>
      </Section>
      {may("administer") && (
        <Section name="audit" title="Audit">
          <p>Who has changed what, and who has read which document.</p>
        </Section>
      )}
    </div>
  );
}

const Section = ({
  name,
  title,
  children,
}: {
  name: string;
  title: string;
  children: ComponentChildren;
}) => <Card title={<Link to={`/operations/${name}`}>{title}</Link>}>{children}</Card>;

function OfAlarms({ open, silences, undelivered }: Alarms) {
  const loud = open.filter(({ silenced }) => !silenced);
  const critical = loud.filter(({ severity }) => severity === "critical").length;
  const waiting = Object.values(undelivered).reduce((sum, count) => sum + count, 0);
  return (
    <>
      {loud.length === 0 ? (
        <p>No alarm is open{open.length > 0 && " that is not silenced"}.</p>
      ) : (
        <p>
          <Badge tone={critical > 0 ? "bad" : "warn"}>{counted(loud.length, "alarm")}</Badge>{" "}
          {critical > 0 && `${critical} critical`}
        </p>
      )}
      {silences.length > 0 && <p class="note">{counted(silences.length, "silence")}</p>}
      {waiting > 0 && <p>{counted(waiting, "notice")} undelivered</p>}
    </>
  );
}

const OfProcesses = ({ capture, lanes }: Status) => (
  <>
    <p>
      <CaptureBadge state={capture.state} />{" "}
      <span class="note">{counted(lanes.filter(({ inUse }) => inUse).length, "lane")}</span>
    </p>
    <p>
      <CaptureText {...capture} />
    </p>
  </>
);

function OfStores({ copies }: Pick<Status, "copies">) {
  if (copies.length === 0) return <p>One store, and no copy of it that this process knows.</p>;
  return (
    <>
      {copies.map((copy) => {
        const { tone, text } = lagOf(copy);
        return (
          <p key={copy.location} class="operations-names">
            <Badge tone={tone}>{text}</Badge> {copy.location}
          </p>
        );
      })}
    </>
  );
}

function OfGaps({ status }: { status: Status }) {
  const open = openTroubles(status).flatMap(({ names }) => names);
  const past = gapGroups(status);
  const unknown = past.filter((group) => !group.acknowledged && tablesIn(group).length > 0);
  return (
    <>
      {open.length > 0 && (
        <p>
          <Badge tone="bad">open</Badge> {counted(open.length, "table or part", "tables or parts")}
        </p>
      )}
      <p>
        {past.length === 0
          ? "No gap is in the history."
          : `${counted(past.length, "gap")} in the history, ${unknown.length} not acknowledged.`}
      </p>
    </>
  );
}

function OfPins({ pins }: Pick<Status, "pins">) {
  const lost = pins.filter(({ holds, ended }) => !holds && !ended);
  return (
    <>
      <p>{pins.length === 0 ? "Nothing is pinned." : counted(pins.length, "pin")}</p>
      {lost.length > 0 && (
        <p class="operations-names">
          <Badge tone="bad">do not hold</Badge> {lost.map(({ name }) => name).join(", ")}
        </p>
      )}
    </>
  );
}

function OfDrills({ drills }: Drills) {
  const [newest] = drills;
  if (!newest) {
    return (
      <p>
        <Badge tone="unknown">not proven</Badge> No drill has been made.
      </p>
    );
  }
  const outcome = outcomeOf(newest);
  return (
    <p>
      <Badge tone={toneOf[outcome]}>{outcome}</Badge> The newest drill ended{" "}
      <Moment at={newest.ended} short />.
    </p>
  );
}
