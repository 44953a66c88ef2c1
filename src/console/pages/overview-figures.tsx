/** The figures at the top: each says what is known, and nothing is good by default. */
import type { Alarms, Look, Overview } from "../app/answers.js";
import { isConnected, looks } from "../app/live.js";
import { useShared } from "../app/store.js";
import { ageText, durationText, localText, Moment, useNow, utcText } from "../app/time.js";
import { bytesText, counted, countText, Figure, type Tone } from "../parts/bits.js";
import { changeRate } from "../parts/change-rate.js";

/** As `thinkback run` has it for the alarm, unless it is told otherwise. */
const behindMsMax = 300_000;

interface Standing {
  /** What can be restored to; null if nothing can, undefined if that is not known. */
  until: string | null | undefined;
  tone: Tone;
  words: string;
}

interface Known {
  look: Look | undefined;
  connected: boolean;
  overview: Overview | undefined;
  alarms: Alarms | undefined;
  now: number;
}

/** Until when everything can be restored, and how that stands. What is old is called unknown, also if it was well. */
export function standingOf({ look, connected, overview, alarms, now }: Known): Standing {
  const newest = look?.status ?? undefined;
  const until = newest ? newest.restorableUntil : overview?.restorableUntil;
  if (!connected) return { until, tone: "unknown", words: "unknown: the server does not answer" };
  if (look && !look.status) {
    return { until, tone: "unknown", words: "unknown: the repository cannot be read" };
  }
  if (until === undefined) return { until, tone: "unknown", words: "reading…" };
  const capture = newest?.capture ?? overview?.capture.state;
  if (capture === "never") return { until, tone: "warn", words: "nothing was ever captured" };
  if (capture === "silent") return { until, tone: "bad", words: "the capture is silent" };
  if (capture === "ended") return { until, tone: "bad", words: "nothing is captured now" };
  if (until === null) return { until, tone: "warn", words: "the first copy is not complete" };
  const isTold = alarms?.open.some(({ kind }) => kind === "behind") === true;
  const isBehind = isTold || now - Date.parse(until) > behindMsMax;
  return isBehind
    ? { until, tone: "bad", words: "behind" }
    : { until, tone: "good", words: "current" };
}

export function Figures({
  overview,
  alarms,
}: {
  overview: Overview | undefined;
  alarms: Alarms | undefined;
}) {
  const look = useShared(looks);
  const connected = useShared(isConnected);
  const now = useNow();
  const standing = standingOf({ look, connected, overview, alarms, now });
  return (
    <div class="figures overview-figures">
      <Figure
        name="restorable until"
        tone={standing.tone}
        note={
          <>
            {standing.words}
            {standing.until && (
              <div class="moment">
                <span class="utc">{utcText(standing.until)}</span>{" "}
                <span class="local">{localText(standing.until)}</span>
              </div>
            )}
          </>
        }
      >
        {untilText(standing.until, now)}
      </Figure>
      <Proven overview={overview} alarms={alarms} now={now} />
      <Lag look={connected ? look : undefined} now={now} />
      <ChangeRate />
      <LogSize look={look} overview={overview} />
    </div>
  );
}

function untilText(until: string | null | undefined, now: number) {
  if (until === undefined) return "unknown";
  return until === null ? "not restorable yet" : ageText(until, now);
}

/** When a drill has proven something, and what speaks against relying on it. */
function Proven({
  overview,
  alarms,
  now,
}: {
  overview: Overview | undefined;
  alarms: Alarms | undefined;
  now: number;
}) {
  const name = "last proven";
  if (!overview) {
    return (
      <Figure name={name} tone="unknown">
        unknown
      </Figure>
    );
  }
  const { lastProven, lastDrillFailed } = overview;
  const overdue = alarms?.open.find(({ kind }) => kind === "drill-overdue");
  const notes = [
    ...(lastDrillFailed ? [`the drill of ${ageText(lastDrillFailed.ended, now)} failed`] : []),
    ...(overdue ? [`overdue: a drill was due ${ageText(overdue.since, now)}`] : []),
    lastProven ? provenText(lastProven) : "no drill has proven anything yet",
  ];
  const tone = lastDrillFailed ? "bad" : overdue ? "warn" : lastProven ? "plain" : "unknown";
  const note = notes.map((text) => <div key={text}>{text}</div>);
  return (
    <Figure name={name} tone={tone} note={note}>
      {lastProven ? <Moment at={lastProven.done} short /> : "never"}
    </Figure>
  );
}

const provenText = ({ tables, of }: NonNullable<Overview["lastProven"]>) =>
  tables === of ? `all ${counted(of, "table")}` : `${tables} of ${counted(of, "table")}`;

function Lag({ look, now }: { look: Look | undefined; now: number }) {
  const behindMs = look?.status?.behindNowMs;
  const isKnown = behindMs !== undefined && behindMs !== null;
  return (
    <Figure
      name="lag"
      tone={isKnown ? "plain" : "unknown"}
      note={look && isKnown ? `as of ${ageText(look.now, now)}` : "nothing is proven, or known"}
    >
      {isKnown ? durationText(behindMs) : "unknown"}
    </Figure>
  );
}

function ChangeRate() {
  const rate = useShared(changeRate);
  return (
    <Figure
      name="changes"
      tone={rate ? "plain" : "unknown"}
      note={rate ? `since ${utcText(rate.since).slice(11, 19)} UTC` : "two looks are needed"}
    >
      {rate ? `${rateText(rate.perSecond)} /s` : "unknown"}
    </Figure>
  );
}

const rateText = (rate: number) =>
  rate === 0 || rate >= 100 ? countText(Math.round(rate)) : rate.toPrecision(2);

function LogSize({ look, overview }: { look: Look | undefined; overview: Overview | undefined }) {
  const sums = look?.status ?? overview;
  return (
    <Figure
      name="log"
      tone={sums ? "plain" : "unknown"}
      note={sums ? `${counted(sums.changes, "change")}, before compression` : undefined}
    >
      {sums ? bytesText(sums.logBytes) : "unknown"}
    </Figure>
  );
}
