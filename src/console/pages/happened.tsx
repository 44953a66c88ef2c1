/** What happened? The way in for somebody in need: five cases, each a short way along the safest path. */
import "./happened.css";
import type { ComponentType } from "preact";
import { useEffect } from "preact/hooks";
import { go, Link, usePlace } from "../app/router.js";
import { Title } from "../parts/bits.js";
import { DeployCase, DocumentCase, LookingCase } from "./happened-changes.js";
import { ClusterCase } from "./happened-cluster.js";
import { DroppedCase } from "./happened-dropped.js";

interface Case {
  id: string;
  title: string;
  says: string;
  Steps: ComponentType;
}

const cases: Case[] = [
  {
    id: "document",
    title: "A document was lost or changed by mistake",
    says: "One, or a few hundred. See what they were, and take back just that.",
    Steps: DocumentCase,
  },
  {
    id: "deploy",
    title: "A bad deploy changed many documents",
    says: "A release or a job wrote wrong values, and the rest went on. Undo that stretch alone.",
    Steps: DeployCase,
  },
  {
    id: "dropped",
    title: "A table or a database was dropped",
    says: "Bring it back as it was just before.",
    Steps: DroppedCase,
  },
  {
    id: "cluster",
    title: "The whole cluster is lost",
    says: "Restore everything into a new cluster: the commands, with the instant filled in.",
    Steps: ClusterCase,
  },
  {
    id: "looking",
    title: "Nothing yet: just looking",
    says: "Compare, search, browse. Nothing is changed by looking.",
    Steps: LookingCase,
  },
];

export function Happened() {
  const { path } = usePlace();
  const found = cases.find(({ id }) => id === path[1]);
  if (!found) return <Cases />;
  const { title, Steps } = found;
  return (
    <>
      <Title beside={<Link to="/happened">Something else happened</Link>}>{title}</Title>
      <Steps />
    </>
  );
}

function Cases() {
  useNumberKeys(cases.map(({ id }) => `/happened/${id}`));
  return (
    <>
      <Title>What happened?</Title>
      <p class="note">Choose the nearest, or press its number. Nothing is changed by choosing.</p>
      <ol class="happened-cases">
        {cases.map(({ id, title, says }, i) => (
          <li key={id}>
            <Link to={`/happened/${id}`} class="card">
              <kbd aria-hidden="true">{i + 1}</kbd>
              <span>
                <strong>{title}</strong>
                <span class="note">{says}</span>
              </span>
            </Link>
          </li>
        ))}
      </ol>
    </>
  );
}

/** The n-th place is gone to by the key of the number n, unless somebody types. */
function useNumberKeys(places: readonly string[]): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      const to = /^[1-9]$/.test(event.key) ? places[Number(event.key) - 1] : undefined;
      if (to !== undefined) go(to);
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, []);
}

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && target.closest("input, select, textarea, dialog") !== null;
