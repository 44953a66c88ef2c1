/** What checks of the stored objects have found. */
import type { Verifications as Answer } from "../app/answers.js";
import { useAsked } from "../app/ask.js";
import { Moment } from "../app/time.js";
import { Badge, bytesText, Card, counted, countText, Nothing, Rows, Shown } from "../parts/bits.js";
import { useFirst } from "../parts/operations-act.js";
import { Damaged } from "./operations-drills.js";

type Verification = Answer["verifications"][number];

const everyMs = 60_000;

export function Verifications() {
  const asked = useAsked<Answer>("/v1/verifications", { everyMs });
  return (
    <Card title="Checks of stored objects">
      <Shown asked={asked}>
        {({ verifications, damaged }) => (
          <>
            <Damaged of={damaged} />
            {verifications.length === 0 ? (
              <Nothing>Stored objects have not been checked yet.</Nothing>
            ) : (
              <VerificationRows verifications={verifications} />
            )}
          </>
        )}
      </Shown>
    </Card>
  );
}

function VerificationRows({ verifications }: { verifications: readonly Verification[] }) {
  const { first, more } = useFirst(verifications, 20);
  return (
    <>
      <Rows
        caption="Checks of stored objects, the newest first"
        heads={["Ended", "Found", "Read", "What was read"]}
        rows={first.map((one) => ({
          key: `${one.ended} ${one.begun}`,
          cells: [
            <Moment at={one.ended} />,
            <Found of={one} />,
            `${Math.round(one.share * 100)} % of the data`,
            readText(one),
          ],
        }))}
      />
      {more}
    </>
  );
}

const readText = ({ read, stored, readsDocuments }: Verification) =>
  `${countText(read.objects)} of ${counted(stored.objects, "object")}, ${bytesText(read.bytes)} of ` +
  `${bytesText(stored.bytes)}${readsDocuments ? "" : "; documents could not be read with its keys"}`;

function Found({ of: { sound, damage, breaks, lostPins } }: { of: Verification }) {
  if (sound) return <Badge tone="good">nothing damaged in what was read</Badge>;
  return (
    <div class="operations-names">
      <Badge tone="bad">
        {damage.count > 0 ? `${counted(damage.count, "object")} damaged` : "not sound"}
      </Badge>
      {damage.objects.map((name) => (
        <div key={name}>
          <code>{name}</code>
        </div>
      ))}
      {breaks > 0 && <div>{counted(breaks, "break")} in the chain of versions</div>}
      {lostPins.length > 0 && <div>pins that do not hold: {lostPins.join(", ")}</div>}
    </div>
  );
}
