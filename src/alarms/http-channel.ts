/** Delivers by HTTP: as JSON, or in the form of Slack's incoming webhooks, which Mattermost and others take too. */
import { messageOf } from "../errors.js";
import type { Channel } from "./channel.js";
import { messageOf as messageFor } from "./letter.js";

export function webhook(url: string): Channel {
  return { name: "webhook", deliver: (letter, signal) => post(url, letter, letter.id, signal) };
}

export function slack(url: string): Channel {
  return {
    name: "slack",
    deliver: (letter, signal) => post(url, { text: messageFor(letter) }, letter.id, signal),
  };
}

async function post(url: string, body: object, id: string, signal: AbortSignal): Promise<void> {
  let response: Response;
  try {
    response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", "idempotency-key": id },
      body: JSON.stringify(body),
      // To where it would be sent on, the operator has not sent it.
      redirect: "manual",
      signal,
    });
    await response.arrayBuffer();
  } catch (error) {
    throw new Error(`${placeOf(url)} cannot be reached: ${causeOf(error)}`);
  }
  if (!response.ok) throw new Error(`${placeOf(url)} answers ${response.status}`);
}

/** The way to a webhook is often its secret: only the host is named. */
const placeOf = (url: string) => new URL(url).host;

/** A fetch that failed says why in its cause alone. */
function causeOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return (cause as { code?: string }).code ?? messageOf(cause);
}
