/** What can be restored, how it is proven, and what is wrong. */
import "./overview.css";
import type { Alarms, Overview as OverviewAnswer } from "../app/answers.js";
import { useAsked } from "../app/ask.js";
import { Link, pathOf } from "../app/router.js";
import { may } from "../app/session.js";
import { Moment } from "../app/time.js";
import { Badge, Card, counted, countText, Nothing, Shown, Title, Wrong } from "../parts/bits.js";
import { stateTone, stateWords } from "../parts/table-state.js";
import { Timeline } from "../parts/timeline.js";
import { useTimeline } from "../parts/timeline-asked.js";
import { Figures } from "./overview-figures.js";
import { ScansCard } from "./overview-scans.js";

/** So many alarms and gaps are shown; all are under Operations. */
const shownMax = 4;

export function Overview() {
  const asked = useAsked<OverviewAnswer>("/v1/overview", {
    topic: "tables",
    everyMs: 5000,
  });
  const alarms = useAsked<Alarms>("/v1/alarms", { topic: "alarms" });
  return (
    <>
      <Title>Overview</Title>
      {asked.error && <Wrong error={asked.error} />}
      <Figures overview={asked.data} alarms={alarms.data} />
      {asked.data && <ScansCard overview={asked.data} />}
      <AlarmsCard alarms={alarms} />
      <TimelineCard />
      {asked.data && (
        <div class="columns">
          <StatesCard overview={asked.data} />
          <GapsCard overview={asked.data} />
        </div>
      )}
    </>
  );
}

function AlarmsCard({ alarms }: { alarms: ReturnType<typeof useAsked<Alarms>> }) {
  const open = alarms.data?.open.filter(({ silenced }) => !silenced) ?? [];
  const isCritical = ({ severity }: (typeof open)[number]) => Number(severity === "critical");
  const worstFirst = open.toSorted((a, b) => isCritical(b) - isCritical(a));
  if (alarms.data && open.length === 0) return null;
  return (
    <Card title="Alarms" beside={<Link to="/operations/alarms">All alarms</Link>}>
      <Shown asked={alarms}>
        {() => (
          <ul class="overview-list">
            {worstFirst.slice(0, shownMax).map(({ id, kind, severity, since, text, hint }) => (
              <li key={id}>
                <Badge tone={severity === "critical" ? "bad" : "warn"}>{severity ?? kind}</Badge>
                <div>
                  {text ?? `${kind} (${hidden})`} <Since at={since} />
                  {hint && <div class="note">{hint}</div>}
                </div>
              </li>
            ))}
            {open.length > shownMax && (
              <li>
                <Link to="/operations/alarms">{open.length - shownMax} more</Link>
              </li>
            )}
          </ul>
        )}
      </Shown>
    </Card>
  );
}

const hidden = "the rest is hidden from this role";

const Since = ({ at }: { at: string }) => (
  <span class="note">
    since <Moment at={at} short />
  </span>
);

function TimelineCard() {
  const shown = useTimeline();
  const { asked, askedEvents, picture } = shown;
  return (
    <Card title="Coverage">
      {askedEvents.error && (
        <p class="note">Marks, pins and other events are not shown: {askedEvents.error.message}</p>
      )}
      <Shown asked={asked}>
        {() =>
          picture && picture.rows.length > 1 ? (
            <Timeline shown={{ ...shown, picture }} />
          ) : (
            <Nothing>There is nothing yet: no table was ever captured.</Nothing>
          )
        }
      </Shown>
    </Card>
  );
}

/** How many tables are in which state. */
function StatesCard({ overview: { tables, lanes } }: { overview: OverviewAnswer }) {
  const counts = new Map<string, number>();
  for (const table of tables) {
    const words = stateWords(table, lanes);
    counts.set(words, (counts.get(words) ?? 0) + 1);
  }
  return (
    <Card title="Tables" beside={<Link to="/tables">All tables</Link>}>
      {tables.length === 0 && <Nothing>No table is known yet.</Nothing>}
      <ul class="overview-states">
        {[...counts].map(([words, count]) => (
          <li key={words}>
            <Link to={pathOf("/tables", { state: words })}>
              <Badge tone={stateTone(words)}>{words}</Badge> {countText(count)}
            </Link>
          </li>
        ))}
      </ul>
    </Card>
  );
}

/** What is not watched now, and why. */
function GapsCard({ overview: { tables, catalog, access } }: { overview: OverviewAnswer }) {
  const system = [
    { name: "the catalog", openGap: catalog?.openGap ?? null },
    { name: "users and grants", openGap: access?.openGap ?? null },
  ];
  const open = [...system, ...tables].flatMap(({ name, openGap }) =>
    openGap ? [{ name, ...openGap }] : [],
  );
  return (
    <Card title="Open gaps" beside={<Link to="/operations/gaps">All gaps</Link>}>
      {open.length === 0 && <Nothing>No gap is open.</Nothing>}
      <ul class="overview-list">
        {open.slice(0, shownMax).map(({ name, since, reason }) => (
          <li key={name}>
            <div>
              <strong>{name}</strong> <Since at={since} />
              <div class="note">
                {reason ?? (may("contents") ? "" : `reason hidden from this role`)}
              </div>
            </div>
          </li>
        ))}
        {open.length > shownMax && (
          <li>
            <Link to="/operations/gaps">{counted(open.length - shownMax, "more gap")}</Link>
          </li>
        )}
      </ul>
    </Card>
  );
}
