/** A store that is away while many tables are captured, and a receiver that is away too: one alarm, and one end. */
import { readFile, rename } from "node:fs/promises";
import type { Letter } from "../../src/alarms/letter.js";
import { r } from "../server/driver.js";
import { Receiver } from "./alarm-receiver.js";
import { cliJson, untilStatus } from "./cli.js";
import { kill, type Stage, stop, until } from "./stage.js";

export interface Outage {
  tables: number;
  /** How long the store is away. */
  awayMs: number;
  /** How long it has to be away before an alarm is raised. */
  after: string;
}

/** What each channel got, once everything was delivered. */
export interface Delivered {
  webhook: Letter[];
  command: Letter[];
}

export async function outage(stage: Stage, { tables, awayMs, after }: Outage): Promise<Delivered> {
  await stage.query(r.dbCreate("many"));
  const names = Array.from({ length: tables }, (_, i) => `t${i}`);
  for (const name of names) await stage.query(r.db("many").tableCreate(name));
  const receiver = await Receiver.open();
  stage.onClose(() => receiver.end());
  const repo = stage.repo("outage");
  const file = stage.repo("letters");
  const run = () =>
    stage.capture(
      repo,
      "--alarm-after",
      `store-away=${after}`,
      "--alarm-webhook",
      receiver.url,
      "--alarm-command",
      `cat >> ${file}`,
    );
  const lettersIn = async () =>
    (await readFile(file, "utf8").catch(() => ""))
      .split("\n")
      .flatMap((line) => (line ? [JSON.parse(line) as Letter] : []));
  const first = run();
  const isLive = ({ name, state }: { name: string; state: string }) =>
    !name.startsWith("many.") || state === "live";
  const areThere = (all: { name: string; state: string }[]) =>
    all.length >= tables && all.every(isLive);
  await untilStatus(repo, (now) => areThere(now.tables), 60_000 + tables * 1000);
  await rename(repo, `${repo}.elsewhere`);
  const beganMs = performance.now();
  while (performance.now() - beganMs < awayMs) {
    const name = names[Math.floor(performance.now()) % tables]!;
    await stage.query(r.db("many").table(name).insert({}));
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  await until("the alarm is raised", async () => (await lettersIn()).length > 0);
  await rename(`${repo}.elsewhere`, repo);
  await until("its end is told by the command", async () => (await lettersIn()).length > 1, 90_000);
  await until("what is undelivered is stored", () => storesBoth(repo));
  await kill(first);
  await receiver.begin();
  // Another one may have to wait until the one that was killed is taken for gone.
  const second = run();
  await until("the webhook has got both", () => receiver.letters.length > 1, 90_000);
  await stage.untilExactNow(repo, "many.t0");
  await stop(second);
  return { webhook: receiver.letters, command: await lettersIn() };
}

/** True if both notices stand in the newest record, to be delivered to the webhook alone. */
async function storesBoth(repo: string): Promise<boolean> {
  const { undelivered } = await cliJson<{ undelivered: object }>(["alarm", "list", "--repo", repo]);
  return JSON.stringify(undelivered) === '{"webhook":2}';
}
