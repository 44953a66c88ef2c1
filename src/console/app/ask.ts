/** Asks the API. */
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { back, type Digests, digestOf, looks } from "./live.js";
import { signedIn, tokenRefused } from "./session.js";
import { useShared } from "./store.js";

/** What the server says is wrong. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
    readonly hint?: string,
  ) {
    super(detail);
  }
}

/** A key for a request that may be sent again. A page without TLS beyond this machine has no crypto.randomUUID. */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

interface Asking {
  method?: "GET" | "POST" | "DELETE";
  body?: object;
  headers?: Record<string, string>;
  signal?: AbortSignal;
  /** How the answer's text is read; JSON.parse if absent, which does not keep numbers as they are stored. */
  read?: ((text: string) => unknown) | undefined;
}

/** Of a change that was not answered. */
const unknownWhether = "It is not known whether it arrived: look, before you do it again.";

/** So often what the server has no room for is asked again. */
const triesMax = 5;

/** The answer of the API. Rejects with a Problem, also if the server is away. */
export async function ask<T>(path: string, asking: Asking = {}): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    const response = await sent(path, asking);
    if (response.ok) return (asking.read ?? JSON.parse)(await response.text()) as T;
    const problem = await problemOf(response);
    const isFull = response.status === 429 || problem.code === "busy";
    if (!isFull || tries >= triesMax) throw problem;
    await new Promise((resolve) => setTimeout(resolve, 500 * tries * (1 + Math.random())));
  }
}

async function sent(path: string, { method = "GET", body, headers, signal }: Asking) {
  const { value } = signedIn;
  if (value.state !== "in") throw new Problem(401, "unauthenticated", "Sign in first.");
  const { token } = value;
  try {
    const response = await fetch(path, {
      method,
      cache: "no-store",
      headers: {
        authorization: `Bearer ${token}`,
        ...(body ? { "content-type": "application/json" } : {}),
        ...headers,
      },
      ...(body ? { body: JSON.stringify(body) } : {}),
      ...(signal ? { signal } : {}),
    });
    if (response.status === 401) tokenRefused(token);
    return response;
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(
      0,
      "away",
      "The server does not answer.",
      method === "GET" ? "It is asked again by itself." : unknownWhether,
    );
  }
}

async function problemOf(response: Response): Promise<Problem> {
  const said = (await response.json().catch(() => ({}))) as Partial<Record<string, string>>;
  const detail = said["detail"] ?? `The server answers ${response.status}.`;
  return new Problem(response.status, said["code"] ?? "unknown", detail, said["hint"]);
}

export interface Asked<T> {
  /** The newest answer: it stays while it is asked again. */
  data: T | undefined;
  error: Problem | undefined;
  isAsking: boolean;
  again: () => void;
}

/**
 * Asks when it is shown, and again when the server says that the topic has changed, when the connection is back, and
 * after somebody has signed in anew.
 * @param path undefined: nothing is asked
 * @param options `body` makes it a POST; `everyMs` asks again after so long, while the tab is seen; `read` as for `ask`
 */
export function useAsked<T>(
  path: string | undefined,
  options: {
    topic?: keyof Digests;
    body?: object;
    everyMs?: number;
    read?: (text: string) => T;
  } = {},
): Asked<T> {
  const { topic, body, everyMs, read } = options;
  const sentBody = body && JSON.stringify(body);
  const [found, setFound] = useState<{ for: string; data?: T; error?: Problem }>();
  const [isAsking, setAsking] = useState(false);
  const [turn, setTurn] = useState(0);
  const token = useShared(signedIn);
  const look = useShared(looks);
  const isBack = useShared(back);
  const digest = topic && look ? digestOf(look, topic) : undefined;
  // The first digest that is heard of tells of no change.
  const heard = useRef<{ digest?: string; changes: number }>({ changes: 0 });
  if (digest !== undefined && digest !== heard.current.digest) {
    const isChange = heard.current.digest !== undefined;
    heard.current = { digest, changes: heard.current.changes + (isChange ? 1 : 0) };
  }
  const { changes } = heard.current;
  const key = `${path} ${sentBody}`;
  const state = token.state === "in" ? token.token : token.state;
  useEffect(() => {
    if (path === undefined || token.state !== "in") return undefined;
    const gone = new AbortController();
    setAsking(true);
    const asking: Asking = { signal: gone.signal, read };
    if (sentBody !== undefined)
      Object.assign(asking, { method: "POST", body: JSON.parse(sentBody) });
    ask<T>(path, asking)
      .then((data) => setFound({ for: key, data }))
      .catch((error: unknown) => {
        if (gone.signal.aborted) return;
        const problem = error instanceof Problem ? error : new Problem(0, "defect", String(error));
        setFound((before) => ({
          for: key,
          error: problem,
          ...(before?.for === key && before.data !== undefined ? { data: before.data } : {}),
        }));
      })
      .finally(() => {
        if (!gone.signal.aborted) setAsking(false);
      });
    return () => gone.abort();
  }, [key, state, changes, isBack, turn]);
  useEffect(() => {
    if (everyMs === undefined) return undefined;
    const timer = setInterval(() => {
      if (document.visibilityState === "visible") setTurn((before) => before + 1);
    }, everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  const again = useCallback(() => setTurn((before) => before + 1), []);
  const isOf = found?.for === key;
  return {
    data: isOf ? found.data : undefined,
    error: isOf ? found.error : undefined,
    isAsking,
    again,
  };
}
