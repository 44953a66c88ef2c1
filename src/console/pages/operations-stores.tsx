/** Copies of the repository, and how far each is behind. */
import type { Stores as Answer } from "../app/answers.js";
import { useAsked } from "../app/ask.js";
import { durationText, Moment } from "../app/time.js";
import {
  Badge,
  bytesText,
  Card,
  Command,
  counted,
  Nothing,
  Rows,
  Shown,
  type Tone,
} from "../parts/bits.js";

type Store = Answer["stores"][number];

const everyMs = 15_000;

const amountText = ({ objects, bytes }: { objects: number; bytes: number }) =>
  `${counted(objects, "object")}, ${bytesText(bytes)}`;

/** How a copy stands. Nothing is good here that was not compared. */
export function lagOf({ error, behindMs, logTo }: Store): { tone: Tone; text: string } {
  if (error !== undefined) return { tone: "bad", text: "not reached" };
  if (behindMs === 0) return { tone: "good", text: "up to date" };
  if (behindMs === undefined || behindMs === null) {
    return logTo === null
      ? { tone: "bad", text: "has no log" }
      : { tone: "unknown", text: "unknown" };
  }
  return { tone: "warn", text: `${durationText(behindMs)} behind` };
}

export function Stores() {
  const asked = useAsked<Answer>("/v1/stores", { topic: "tables", everyMs });
  return (
    <>
      <Card title="Copies of the repository">
        <Shown asked={asked}>
          {({ stores }) =>
            stores.length === 0 ? (
              <Nothing>
                This process knows one store and no copy of it. If that store is lost, the history
                is lost. <code>thinkback copy</code> makes a copy, and a second --repo of{" "}
                <code>run</code> keeps it up to date: see docs/operations.md.
              </Nothing>
            ) : (
              <Rows
                caption="Copies"
                heads={["Store", "State", "Log until", "Lacks", "Stored"]}
                rows={stores.map((store) => ({
                  key: store.location,
                  cells: cellsOf(store),
                }))}
              />
            )
          }
        </Shown>
      </Card>
      <Card title="Cost">
        <p>
          What the history costs is estimated on the command line, from measured rates and a price
          list:
        </p>
        <Command>thinkback plan --repo REPO --profile aws-s3-standard</Command>
      </Card>
    </>
  );
}

function cellsOf(store: Store) {
  const { location, logTo, missing, stored, error } = store;
  const { tone, text } = lagOf(store);
  return [
    <span class="operations-names">{location}</span>,
    <>
      <Badge tone={tone}>{text}</Badge> {error !== undefined && <span>{error}</span>}
    </>,
    logTo ? <Moment at={logTo} short /> : "",
    missing === undefined ? "" : missing === null ? "unknown" : lackText(missing),
    stored ? amountText(stored) : "",
  ];
}

const lackText = (missing: { objects: number; bytes: number }) =>
  missing.objects === 0 ? "nothing" : amountText(missing);
