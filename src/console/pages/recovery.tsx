/** One recovery: its plan, what it waits for, how far it is, and what became of it. */
import "./recover.css";
import "./recovery.css";
import type { Recovery } from "../app/answers.js";
import { Link } from "../app/router.js";
import { may, signedIn } from "../app/session.js";
import { useShared } from "../app/store.js";
import { Moment } from "../app/time.js";
import { Bar, Card, Command, Title, Waiting, Wrong } from "../parts/bits.js";
import { formOfRequest } from "./recover-again.js";
import { commandText, type Request, shellWord } from "./recover-words.js";
import { Decide } from "./recovery-decide.js";
import { useRecovery } from "./recovery-follow.js";
import { PlanShown } from "./recovery-plan.js";
import { type Result, readPlan, readResult } from "./recovery-read.js";
import { ResultShown } from "./recovery-report.js";
import { StateBadge } from "./recovery-state.js";
import { Steps } from "./recovery-steps.js";

export function RecoveryPage({ id }: { id: string }) {
  const { recovery, problem, take } = useRecovery(id);
  return (
    <div class="recovery">
      <Title beside={recovery && <StateBadge recovery={recovery} />}>
        {recovery ? `Recovery ${id}: ${recovery.command}` : `Recovery ${id}`}
      </Title>
      {problem && <Wrong error={problem} />}
      {recovery ? <Shown recovery={recovery} take={take} /> : !problem && <Waiting />}
    </div>
  );
}

interface Props {
  recovery: Recovery;
  take: (recovery: Recovery) => void;
}

function Shown({ recovery, take }: Props) {
  const { command, args, by, createdAt, state } = recovery;
  const plan = recovery.plan === undefined ? undefined : readPlan(command, recovery.plan);
  const result = recovery.result === undefined ? undefined : readResult(command, recovery.result);
  return (
    <>
      <p class="recovery-asked">
        Requested by <strong>{by.name}</strong>, <Moment at={createdAt} />
        {args ? (
          <code>{[command, ...args].map(shellWord).join(" ")}</code>
        ) : (
          <span class="note">
            What it is about, its plan and its report are hidden from this role.
          </span>
        )}
      </p>
      <Steps recovery={recovery} />
      <Now recovery={recovery} />
      {recovery.error && <Failure recovery={recovery} />}
      <Decide recovery={recovery} plan={plan} take={take} />
      {result && (
        <Card title={titleOf(result, state)}>
          <ResultShown result={result} recovery={recovery} />
        </Card>
      )}
      {plan && plan.is !== "none" && (
        <Card title="Plan">
          <PlanShown plan={plan} args={args ?? []} />
        </Card>
      )}
      <Commands recovery={recovery} />
    </>
  );
}

function titleOf(result: Result, state: string): string {
  if (result.is === "refused") return "Nothing was done";
  return state === "done" ? "Report" : "What was done";
}

/** What happens at this moment. */
function Now({ recovery }: { recovery: Recovery }) {
  const { state, worker, progress, planIn, changedAt, attempt } = recovery;
  const who = useShared(signedIn);
  const isPlanned = state === "planned";
  if (state === "cancelled" && worker) {
    return (
      <Card title="It stops">
        <p>Its process ends what is under way, and says then what it has left.</p>
      </Card>
    );
  }
  if (!isPlanned && state !== "running") return null;
  const what = state === "running" ? "It is carried out" : "The plan is being made";
  if (!worker) {
    const isNobody = who.state === "in" && who.session.server.targets === null;
    const wants = planIn === undefined ? "makes its plan" : "carries it out";
    return (
      <Card title={`Waits for a process that ${wants}`}>
        <p>
          Asked for <Moment at={changedAt} short />. A process that runs with{" "}
          <code>--recoveries</code> takes it by itself, within seconds.
        </p>
        {isNobody && (
          <p class="recover-careful">
            This server carries out no recoveries. If no other process does, start one:{" "}
            <code>thinkback run --recoveries</code>.
          </p>
        )}
      </Card>
    );
  }
  return (
    <Card
      title={what}
      beside={
        <span class="note">
          by process {worker.process} on {worker.host}
          {attempt > 1 && `, attempt ${attempt}`}
        </span>
      }
    >
      <Bar share={progress?.share ?? null} name={what} />
      <p class="recovery-progress">
        {progress?.text ?? (progress ? "" : "How far it is was not told yet.")}
      </p>
    </Card>
  );
}

function Failure({ recovery }: { recovery: Recovery }) {
  const { error, state } = recovery;
  if (!error) return null;
  const message = error.message ?? `It ended with the code ${error.code}; the words are hidden.`;
  const isAgain = state === "planned" || state === "running";
  const hint = isAgain ? "It is tried again by itself." : error.hint;
  return (
    <>
      <Wrong error={{ message, hint }} />
      {!isAgain && <Again recovery={recovery} />}
    </>
  );
}

/** Leads back to the form as it was, to be changed. */
function Again({ recovery: { command, args } }: { recovery: Recovery }) {
  const form = args && formOfRequest({ command, args } as Request);
  if (!form || !may("request")) return null;
  return (
    <p>
      <Link to="/recover" state={{ form }} class="button">
        Change the request
      </Link>
    </p>
  );
}

/** The same where there is no browser. */
function Commands({ recovery }: { recovery: Recovery }) {
  const who = useShared(signedIn);
  const repo = who.state === "in" ? who.session.server.repository : undefined;
  const { id, command, args, state } = recovery;
  // Of what is done the same command would find nothing to do.
  const isToCome = state !== "done" && state !== "running";
  const at = `--repo=${shellWord(repo ?? "REPO")}`;
  return (
    <Card title="On the command line">
      <p>This recovery, with its plan and its report:</p>
      <Command>{`thinkback recoveries show ${id} ${at} --json`}</Command>
      {args && command !== "drill" && isToCome && (
        <>
          <p>The same plan by a command of its own, which writes nothing:</p>
          <Command>{commandText(recovery as Request, { repo }, ["--dry-run", "--json"])}</Command>
          <p class="note">URL is the address of the cluster that is written to.</p>
        </>
      )}
      {!may("contents") && (
        <p class="note">Its arguments quote documents, and are hidden from this role.</p>
      )}
      <p>
        <Link to="/recoveries">All recoveries</Link>
      </p>
    </Card>
  );
}
