/** `thinkback doctor`: tries what a backup needs, and says what to do where something is missing. */
import { systemClock } from "../clock.js";
import { messageOf, ThinkbackError } from "../errors.js";
import { repositoryName } from "../format/names.js";
import { fullProbe, isKnownService, probe } from "../storage/probe.js";
import { impatient, patienceDefault } from "../storage/retrying-store.js";
import { directoryAt, storeAt } from "../storage/store-at.js";
import { noUse, type StoreUse } from "../storage/store-use.js";
import { accessToSource, addressesOf, isGiven, type SourceArguments } from "./connect.js";
import type { Finding } from "./doctor-finding.js";
import { checkMachine } from "./doctor-machine.js";
import { checkRedis } from "./doctor-redis.js";
import { checkSource } from "./doctor-source.js";
import { formatTable, type Output } from "./output.js";
import { type RedisArguments, redisOf } from "./redis-at.js";
import { requestsText } from "./store-use-text.js";

export interface DoctorArguments extends SourceArguments, RedisArguments {
  repo: string;
  spool?: string;
  readOnly?: boolean;
}

export async function doctorCommand(args: DoctorArguments, output: Output): Promise<void> {
  const redis = redisOf(args);
  // These throw for what is no such address or directory.
  const access = accessToSource(args);
  if (isGiven(access)) addressesOf(access, "source");
  if (args.spool !== undefined) directoryAt("--spool", args.spool);
  const use = { ...noUse };
  const findings = [
    ...(await checkMachine(args)),
    ...(await checkStore(args, use)),
    ...(await checkSource(args)),
    ...(redis === undefined ? [] : await checkRedis(redis)),
  ];
  const rows = findings.map(({ of, check, outcome, text }) => [
    of,
    check,
    outcome === "failed" ? "FAILED" : outcome,
    text,
  ]);
  output.line(formatTable(["of", "check", "outcome", "found"], rows));
  const advised = findings.filter(({ hint }) => hint !== undefined);
  if (advised.length > 0) output.line("");
  for (const { of, check, hint } of advised) output.line(`${of}, ${check}: ${hint}`);
  output.line(`\n${requestsText(use)}`);
  output.result({ findings, requests: use });
  const failed = findings.filter(({ outcome }) => outcome === "failed");
  if (failed.length === 0) return;
  const names = failed.map(({ of, check }) => `${of}, ${check}`).join("; ");
  throw new ThinkbackError(
    "unfit",
    `${failed.length} of ${findings.length} checks failed: ${names}`,
    {
      hint: "what to do about each stands above; with --json, in its hint",
    },
  );
}

async function checkStore(args: DoctorArguments, use: StoreUse): Promise<Finding[]> {
  const another = () => storeAt(args.repo, patienceDefault, { use });
  const readOnly = args.readOnly === true;
  const { checks, isOver } = await tried(async () => {
    // A store that is away is told at once.
    await storeAt(args.repo, impatient, { use }).size(repositoryName);
    const store = another();
    const rounds = isKnownService(store) ? 1 : fullProbe.rounds;
    return probe(store, { ...fullProbe, rounds, clock: systemClock, another, readOnly });
  });
  return [...checks.map((check) => ({ of: "store" as const, ...check })), ...isOver];
}

/** The checks of a probe; if the store fails in a way that says nothing of what it can do, that. */
async function tried(work: () => ReturnType<typeof probe>) {
  try {
    return { checks: (await work()).checks, isOver: [] };
  } catch (error) {
    if (!(error instanceof ThinkbackError)) throw error;
    const { hint } = error;
    const isOver: Finding[] = [
      {
        of: "store",
        check: "reach",
        outcome: "failed",
        text: messageOf(error),
        ...(hint === undefined ? {} : { hint }),
      },
    ];
    return { checks: [], isOver };
  }
}
