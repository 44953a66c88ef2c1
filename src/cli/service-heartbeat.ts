/** Sends heartbeats to a monitor outside. Its URL is a secret: whoever knows it can make an outage look like none. */
import { secretIn } from "../configuration/secret-file.js";
import { messageOf, ThinkbackError } from "../errors.js";
import { keepBeating } from "../health/heartbeat.js";
import type { Log } from "./log.js";
import type { RunArguments } from "./run-arguments.js";
import type { ServicePart } from "./served.js";

/** How long a monitor may take to answer. */
const answerMsMax = 10_000;

export type HeartbeatArguments = Pick<RunArguments, "heartbeatUrl" | "heartbeatUrlFile">;

/** The URL that heartbeats go to; undefined if there are none. Throws for what is no such URL, and never repeats it. */
export function heartbeatUrl({
  heartbeatUrl: given,
  heartbeatUrlFile: file,
}: HeartbeatArguments): URL | undefined {
  if (given === undefined && file === undefined) return undefined;
  const [option, text] =
    given === undefined
      ? ["the file of --heartbeat-url-file", secretIn(file!, "--heartbeat-url-file")]
      : ["--heartbeat-url", given];
  const trimmed = text.trim();
  if (/^https?:/i.test(trimmed) && URL.canParse(trimmed)) return new URL(trimmed);
  throw new ThinkbackError("usage", `${option} holds no address of the web`, {
    hint: "give the whole URL that the monitor names, such as https://monitor.example/ping/…",
  });
}

export const heartbeat: ServicePart = async ({ args, facts, clock, log, isFirst, signal }) => {
  const url = heartbeatUrl(args);
  if (!url) return async () => undefined;
  const ended = new AbortController();
  const send = telling((of) => sendTo(url, of), url, log);
  const options = { clock, isFirst, send };
  const beating = keepBeating(facts, options, AbortSignal.any([signal, ended.signal]));
  return async () => {
    ended.abort(new Error("the capture ended"));
    await beating;
  };
};

/** Asks for the URL; rejects unless the answer is that all is well. */
async function sendTo(url: URL, signal: AbortSignal): Promise<void> {
  const patience = AbortSignal.any([signal, AbortSignal.timeout(answerMsMax)]);
  const response = await fetch(url, { signal: patience }).catch((error: unknown) => {
    const cause = error instanceof Error ? (error.cause ?? error) : error;
    throw new Error(messageOf(cause).replaceAll(url.href, "the URL"));
  });
  await response.body?.cancel();
  if (!response.ok) throw new Error(`the monitor answered with status ${response.status}`);
}

/** Logs when the monitor begins to take no heartbeats, and when it takes them again. */
function telling(
  send: (signal: AbortSignal) => Promise<void>,
  { host }: URL,
  log: Log,
): (signal: AbortSignal) => Promise<void> {
  let isFailing = false;
  return async (signal) => {
    try {
      await send(signal);
      if (isFailing) log.info({ host }, "the monitor takes heartbeats again");
      isFailing = false;
    } catch (error) {
      if (!isFailing && !signal.aborted)
        log.warn(
          { host, error: messageOf(error) },
          "the monitor takes no heartbeat; the next one is tried in a minute",
        );
      isFailing = true;
      throw error;
    }
  };
}
