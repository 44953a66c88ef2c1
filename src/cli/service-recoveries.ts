/** Carries out recoveries beside a capture. */
import { randomUUID } from "node:crypto";
import { withoutSecrets } from "../configuration/addresses.js";
import { secretIn } from "../configuration/secret-file.js";
import { messageOf, ThinkbackError } from "../errors.js";
import { thisProcess } from "../owner.js";
import { liveTarget, targetName } from "../recoveries/allowed.js";
import { RecoveryWorker, type WorkerObserver } from "../recoveries/worker.js";
import { idlePaceMs } from "../repository/registers/idle-pace.js";
import { refuseWithoutReader } from "../storage/object-store.js";
import type { SourceArguments } from "./connect.js";
import type { Log } from "./log.js";
import type { RunArguments } from "./run-arguments.js";
import type { ServicePart } from "./served.js";

/** How often requests are looked for, and how often at most a recovery tells how far it is, if that costs nothing. */
const paceMs = 2000;
/** The latter where requests are charged for. */
const tellChargedMs = 10_000;

export const serveRecoveries: ServicePart = async (served) => {
  const { args, roles, repository, commands, waker, clock, log, signal } = served;
  if (!roles.has("restore") || !args.recoveries || args.once) return async () => undefined;
  const { store } = repository;
  refuseWithoutReader(store);
  const targets = recoveryTargetsOf(args);
  const charges = store.chargesRequests === true;
  const worker = new RecoveryWorker({
    store,
    clock,
    commands,
    waker,
    owner: thisProcess,
    unique: randomUUID().replaceAll("-", ""),
    targets,
    pollMs: charges ? idlePaceMs(store) : paceMs,
    tellMs: charges ? tellChargedMs : paceMs,
    observer: loggingTo(log),
  });
  log.info({ targets: [...targets.keys()] }, "recoveries that are requested are carried out");
  const working = worker.run(signal);
  return async () => {
    await working;
  };
};

/** The environment in which a command reaches each target, by its name. Throws for a file that cannot be read. */
export function recoveryTargetsOf(args: RunArguments): Map<string, Record<string, string>> {
  const targets = new Map([[liveTarget, sourceAsTarget(args)]]);
  for (const given of args.recoveryTarget) {
    const at = given.indexOf("=");
    const [name, file] = [given.slice(0, Math.max(0, at)), given.slice(at + 1)];
    if (!targetName.test(name) || file === "") {
      // A URL in the place of a file may have a password.
      const said = withoutSecrets(given);
      throw new ThinkbackError("usage", `--recovery-target ${said} cannot be read`, {
        hint: "give it as name=file: small letters, digits and hyphens, and a file that holds the URL",
      });
    }
    secretIn(file, "--recovery-target");
    targets.set(name, { ...nothing, THINKBACK_TARGET_FILE: file });
  }
  return targets;
}

/** An empty variable counts as one that is not set: what this process was given for others is not handed on. */
const nothing = {
  THINKBACK_TARGET: "",
  THINKBACK_TARGET_FILE: "",
  THINKBACK_TARGET_PASSWORD: "",
  THINKBACK_TARGET_PASSWORD_FILE: "",
};

/** The environment in which a command reaches the source as its target. */
export function sourceAsTarget(args: SourceArguments): Record<string, string> {
  const { source, sourceFile, sourcePassword, passwordFile } = args;
  return {
    THINKBACK_TARGET: source.join(" "),
    THINKBACK_TARGET_FILE: source.length > 0 ? "" : (sourceFile ?? ""),
    THINKBACK_TARGET_PASSWORD: sourcePassword ?? "",
    THINKBACK_TARGET_PASSWORD_FILE: passwordFile ?? "",
  };
}

function loggingTo(log: Log): WorkerObserver {
  return {
    begins: (recovery, what, { command, args }) =>
      log.info(
        { recovery, command, args: args.map(withoutKey) },
        what === "plan" ? "a recovery is planned" : "a recovery begins",
      ),
    ended: ({ id: recovery, state, error }) => {
      const isBad = error !== undefined && state !== "cancelled";
      log[isBad ? "warn" : "info"]({ recovery, state, error }, `a recovery is ${state}`);
    },
    left: (recovery, reason) => log.warn({ recovery, reason }, "a recovery is left to others"),
    fails: (error) =>
      log.warn({ error: messageOf(error) }, "the recoveries cannot be looked at, or told of"),
  };
}

/** Keys are of documents, and do not belong into a log. */
const withoutKey = (word: string) => (word.startsWith("--key=") ? "--key=…" : word);
