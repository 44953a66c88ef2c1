/** Who captures, in which lanes, and when something was last stored. */
import type { ComponentChildren } from "preact";
import type { Processes as Answer } from "../app/answers.js";
import { useAsked } from "../app/ask.js";
import { Moment } from "../app/time.js";
import { Badge, Card, countText, Nothing, Rows, Shown, type Tone } from "../parts/bits.js";

type Capture = Answer["capture"];

/** How often it is asked for: what was last stored moves with every tick. */
const everyMs = 5000;

const tones: Record<string, Tone> = { running: "good", silent: "bad", ended: "warn" };

const captureWords: Record<string, string> = {
  running: "capturing",
  ended: "ended",
  silent: "silent",
  never: "never captured",
};

export const CaptureBadge = ({ state }: Pick<Capture, "state">) => (
  <Badge tone={tones[state] ?? "unknown"}>{captureWords[state] ?? state}</Badge>
);

/** What the state means, in a sentence. */
export function CaptureText({ state, heardOf }: Capture): ComponentChildren {
  const age = <Moment at={heardOf} short />;
  switch (state) {
    case "running":
      return <>Capture runs: something was stored {age}.</>;
    case "ended":
      return <>Capture ended in order {age}. Nothing is captured now.</>;
    case "silent":
      return (
        <>
          Nothing has been stored for too long: the last was {age}. The process has ended, or it
          does not reach the store. Look at its log.
        </>
      );
    case "never":
      return <>Nothing was ever captured into this repository.</>;
    default:
      return <>{state}</>;
  }
}

export function Processes() {
  const asked = useAsked<Answer>("/v1/processes", { topic: "tables", everyMs });
  return (
    <Shown asked={asked}>
      {({ capture, lanes }) => (
        <>
          <Card title="Capture" beside={<CaptureBadge state={capture.state} />}>
            <p>
              <CaptureText {...capture} />
            </p>
          </Card>
          <Card title="Lanes">
            {lanes.length === 0 ? (
              <Nothing>No lane has a log yet.</Nothing>
            ) : (
              <Rows
                caption="Lanes and who writes them"
                heads={["Lane", "State", "Writer", "Last segment", "Tables"]}
                rows={lanes.map((lane) => ({
                  key: String(lane.lane),
                  cells: [
                    `lane ${lane.lane}`,
                    <>
                      <CaptureBadge state={lane.capture.state} />{" "}
                      {!lane.inUse && <span class="note">no longer in use</span>}
                    </>,
                    lane.writer ? (
                      <>
                        {lane.writer.host} <span class="note">process {lane.writer.process}</span>
                      </>
                    ) : (
                      <span class="unknown">nobody</span>
                    ),
                    <Moment at={lane.lastSegment} short />,
                    countText(lane.tables),
                  ],
                }))}
              />
            )}
            <p class="note">
              A lane is one independent log. Its writer is whoever last claimed it, also after it
              has ended.
            </p>
          </Card>
        </>
      )}
    </Shown>
  );
}
