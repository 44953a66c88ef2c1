/** What runs, what it works with, and what was done: one section each. */
import "./operations.css";
import { Link } from "../app/router.js";
import { may } from "../app/session.js";
import { Nothing, Title } from "../parts/bits.js";
import { Alarms } from "./operations-alarms.js";
import { Audit } from "./operations-audit.js";
import { Drills } from "./operations-drills.js";
import { Gaps } from "./operations-gaps.js";
import { Pins } from "./operations-pins.js";
import { Processes } from "./operations-processes.js";
import { Stores } from "./operations-stores.js";
import { Summary } from "./operations-summary.js";

const sections = [
  { name: "processes", title: "Processes", Page: Processes },
  { name: "stores", title: "Stores", Page: Stores },
  { name: "gaps", title: "Gaps", Page: Gaps },
  { name: "pins", title: "Pins and marks", Page: Pins },
  { name: "drills", title: "Drills and checks", Page: Drills },
  { name: "alarms", title: "Alarms", Page: Alarms },
  { name: "audit", title: "Audit", Page: Audit },
];

export function Operations({ section }: { section?: string | undefined }) {
  const shown = sections.filter(({ name }) => name !== "audit" || may("administer"));
  const here = sections.find(({ name }) => name === section);
  return (
    <>
      <Title>{title(section, here?.title)}</Title>
      <nav class="operations-nav" aria-label="Operations">
        <ul>
          <li>
            <Link to="/operations" aria-current={section === undefined ? "page" : undefined}>
              Summary
            </Link>
          </li>
          {shown.map(({ name, title: text }) => (
            <li key={name}>
              <Link to={`/operations/${name}`} aria-current={name === section ? "page" : undefined}>
                {text}
              </Link>
            </li>
          ))}
        </ul>
      </nav>
      {section === undefined && <Summary />}
      {here && <here.Page key={here.name} />}
      {section !== undefined && !here && <Nothing>Choose one of these sections.</Nothing>}
    </>
  );
}

const title = (section: string | undefined, found: string | undefined) =>
  section === undefined ? "Operations" : (found ?? "There is no such section");
