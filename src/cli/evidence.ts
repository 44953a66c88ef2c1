/** The commands that make a report of a period, and that check one. */
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { systemClock } from "../clock.js";
import { passphraseVariable } from "../configuration/settings.js";
import { messageOf, ThinkbackError } from "../errors.js";
import { evidencePage } from "../evidence/page.js";
import {
  type EvidenceReport,
  evidenceOf,
  evidenceResult,
  type Period,
} from "../evidence/report.js";
import {
  checkedSignature,
  type EvidenceSignature,
  expectSigned,
  type Signer,
  signatureFile,
  signedBy,
} from "../evidence/signature.js";
import type { Repository } from "../format/description.js";
import { formatInstant, parseInstant } from "../instant.js";
import { openRepository } from "../repository/repository.js";
import type { Identity } from "../sealing/identity.js";
import { type KeySet, trustedKeySet } from "../sealing/key-set.js";
import { keysOfProcess, readKeyring } from "../sealing/keyring.js";
import { copiesAt, type Repos } from "./copies-at.js";
import { counted, formatTable, type Output } from "./output.js";

export interface EvidenceArguments {
  repo: Repos;
  from: string;
  to?: string;
  out?: string;
  /** A key file. */
  sign?: string;
}

/** Makes a report. @param version of this program */
export async function evidenceCommand(
  args: EvidenceArguments,
  version: string,
  output: Output,
): Promise<void> {
  const now = systemClock.now();
  const period = periodOf(args, now, output);
  const given = args.sign === undefined ? undefined : await keyIn(args.sign);
  const out = args.out ?? `evidence-${dayOf(period.from)}-to-${dayOf(period.to)}`;
  await refuseFull(out);
  const repository = await openRepository(await copiesAt(args.repo, output));
  const signer = await signerFor(repository, given);
  const report = await evidenceOf(repository, period, now, version);
  const files = new Map<string, Buffer>([
    ["evidence.json", Buffer.from(`${JSON.stringify(evidenceResult(report), null, 2)}\n`)],
    ["evidence.html", Buffer.from(evidencePage(report, signerText(signer)))],
  ]);
  files.set(signatureFile, signedBy(signer, report, files));
  await writeAll(out, files);
  printReport(report, signer, out, output);
  output.result({ out, by: byOf(signer), ...evidenceResult(report) });
}

/** A report is of what has been: a period that is not over ends now. */
function periodOf({ from, to }: EvidenceArguments, now: number, output: Output): Period {
  const asked = to === undefined ? now : parseInstant(to, now);
  const period = { from: parseInstant(from, now), to: Math.min(asked, now) };
  if (period.from > now) {
    throw new ThinkbackError("usage", `--from ${from} has not come yet`, {
      hint: "a report is of a period that has begun",
    });
  }
  if (asked > now) {
    output.note(
      `thinkback: --to ${to} has not come yet: the report ends now, at ${formatInstant(now)}`,
    );
  }
  if (period.from <= period.to) return period;
  throw new ThinkbackError("usage", `--from ${from} is after --to ${to ?? "now"}`, {
    hint: "give the earlier time first",
  });
}

const dayOf = (instant: number) => formatInstant(instant).slice(0, 10);

async function keyIn(file: string): Promise<Identity> {
  const [identity, more] = (await readKeyring([file], [], process.env[passphraseVariable]))
    .identities;
  if (identity && !more) return identity;
  throw new ThinkbackError("usage", `--sign: ${file} holds more than one key`, {
    hint: "give a file with one key",
  });
}

/** The key that signs: the one that is given, or else one of the repository's that is at hand. */
async function signerFor(
  { store, description: { id } }: Repository,
  given: Identity | undefined,
): Promise<Signer> {
  const below = store.sealing?.below;
  const set = below && (await trustedKeySet(below, id, keysOfProcess().trusted));
  if (given) return named(given, set);
  for (const identity of set ? keysOfProcess().identities : []) {
    const signer = named(identity, set);
    if (signer.name !== null) return signer;
  }
  throw new ThinkbackError("usage", "there is no key to sign the report with", {
    hint: "give one with --sign FILE; `thinkback key new FILE` makes it, and prints what others check its signatures by",
  });
}

function named(identity: Identity, set: KeySet | undefined): Signer {
  const key = set?.keys.find(({ verify }) => verify === identity.public.verify);
  return { identity, name: key?.name ?? null, keySet: key ? set!.number : null };
}

const byOf = ({ identity, name, keySet }: Signer) => ({
  verify: identity.public.verify,
  name,
  keySet,
});

const signerText = (signer: Signer) => keyText(byOf(signer));

function keyText({ name, verify, keySet }: EvidenceSignature["by"]): string {
  return name === null ? `key ${verify}` : `${name} (key ${verify}, of key set ${keySet})`;
}

async function refuseFull(out: string): Promise<void> {
  try {
    if ((await readdir(out)).length === 0) return;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw unwritable(out, error);
  }
  throw unwritable(out, new Error("it is not empty"));
}

async function writeAll(out: string, files: ReadonlyMap<string, Buffer>): Promise<void> {
  try {
    await mkdir(out, { recursive: true });
    for (const [file, bytes] of files) await writeFile(join(out, file), bytes, { flag: "wx" });
  } catch (error) {
    throw unwritable(out, error);
  }
}

function unwritable(out: string, error: unknown): ThinkbackError {
  return new ThinkbackError(
    "usage",
    `the report cannot be written to ${out}: ${messageOf(error)}`,
    {
      hint: "give an empty or new directory with --out",
      cause: error,
    },
  );
}

function printReport(report: EvidenceReport, signer: Signer, out: string, output: Output): void {
  const { tables, gaps, drills, verifications, unreadable } = report;
  const rows = [
    ["tables", counted(tables.length, "table")],
    [
      "gaps",
      `${gaps.length}, ${gaps.filter(({ acknowledged }) => !acknowledged).length} not acknowledged`,
    ],
    ["drills", `${drills.length}, ${drills.filter(({ ok }) => ok).length} equal`],
    [
      "checks",
      `${verifications.length}, ${verifications.filter(({ sound }) => sound).length} sound`,
    ],
  ];
  output.line(
    formatTable(["period", `${formatInstant(report.from)} to ${formatInstant(report.to)}`], rows),
  );
  for (const { object, what } of unreadable)
    output.note(`thinkback: ${object} cannot be read: ${what}`);
  output.line(`\nsigned by ${signerText(signer)}`);
  output.line(`written to ${out}: evidence.html to read, evidence.json, ${signatureFile}`);
}

export interface CheckEvidenceArguments {
  trust: string[];
}

/** Checks a report: of a directory all files, of a file itself and the signature beside it. */
export async function checkEvidenceCommand(
  path: string,
  args: CheckEvidenceArguments,
  output: Output,
): Promise<void> {
  const { trusted } = await readKeyring([], args.trust);
  const isDirectory = await isDirectoryAt(path);
  const directory = isDirectory ? path : dirname(path);
  const signature = checkedSignature(await bytesOf(join(directory, signatureFile)), signatureFile);
  const all = Object.keys(signature.files);
  const own = basename(path);
  const checked = isDirectory || own === signatureFile ? all : [own];
  for (const file of checked) expectSigned(signature, file, await bytesOf(join(directory, file)));
  const { by, repository, from, to, made } = signature;
  const others = isDirectory
    ? (await readdir(directory)).filter((file) => file !== signatureFile && !all.includes(file))
    : [];
  for (const file of others)
    output.note(`thinkback: ${file} is not signed: it is no part of the report`);
  const isTrusted = trusted.has(by.verify);
  if (trusted.size > 0 && !isTrusted) {
    throw new ThinkbackError(
      "damaged",
      `the report is signed by ${keyText(by)}, which is not trusted`,
      {
        hint: "if you know that key to be right, give it with --trust; else the report is not from whom you think",
      },
    );
  }
  output.line(`unaltered: ${checked.join(", ")}`);
  output.line(`repository ${repository}, ${from} to ${to}, made ${made}`);
  output.line(`signed by ${keyText(by)}`);
  if (!isTrusted) {
    output.line(
      "Whose key that is, this check cannot know: compare it with what its owner has told you, or give that with --trust",
    );
  }
  output.result({ files: checked, notSigned: others, by, isTrusted, repository, from, to, made });
}

async function isDirectoryAt(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    throw unreadable(path, error);
  }
}

async function bytesOf(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw unreadable(path, error);
  }
}

function unreadable(path: string, error: unknown): ThinkbackError {
  const isMissing = (error as NodeJS.ErrnoException).code === "ENOENT";
  return new ThinkbackError(
    isMissing ? "damaged" : "usage",
    `${path} cannot be read: ${messageOf(error)}`,
    {
      hint: `give the directory of a report, or a file of it beside its ${signatureFile}`,
      cause: error,
    },
  );
}
