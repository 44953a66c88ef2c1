/**
 * What the server says is there now, for all tabs of a browser by one stream: over HTTP/1.1 a browser has six
 * connections to a server, and each stream would hold one. The tab that holds a lock reads the stream and tells the
 * others; when it is closed, the lock and with it the stream go to another tab.
 */
import type { Look } from "./answers.js";
import { readEvents, type ServerEvent } from "./event-stream.js";
import { signedIn, tokenRefused } from "./session.js";
import { Shared } from "./store.js";

/** The newest look of the server; undefined before the first. */
export const looks = new Shared<Look | undefined>(undefined);
/** False while the server does not answer. */
export const isConnected = new Shared(true);
/** Grows each time the connection has come back: what is shown may be old. */
export const back = new Shared(0);

export type Digests = NonNullable<Look["digests"]>;

export const digestOf = (look: Look, topic: keyof Digests): string | undefined =>
  look.digests?.[topic];

type Said =
  | { kind: "look"; look: Look }
  | { kind: "connected"; is: boolean }
  /** A new tab wants to know what there is. */
  | { kind: "new" };

const channel = new BroadcastChannel("thinkback-live");
const say = (said: Said) => channel.postMessage(said);

const retryMs = 1000;
const refusedMs = 5000;
/** A server that sends nothing for so long is gone: it says every 15 s that it is there. */
const silentMsMax = 60_000;

export function begin(): void {
  channel.addEventListener("message", ({ data }: MessageEvent<Said>) => heard(data));
  say({ kind: "new" });
  const { locks } = navigator as { locks?: LockManager };
  // A page that was not sent over TLS has no locks; then each tab reads for itself.
  if (!locks) void lead();
  else void locks.request("thinkback-live", () => lead());
}

let isLeader = false;
/** When the newest look came, by this browser's clock. */
let heardAt = 0;

/** The look, whose time is that of now: pages set their clocks by it. */
function asOfNow(look: Look): Look {
  const now = new Date(Date.parse(look.now) + Date.now() - heardAt).toISOString();
  return { ...look, now };
}

function heard(said: Said): void {
  if (said.kind === "look") looks.set(said.look);
  else if (said.kind === "connected") setConnected(said.is);
  else if (isLeader && looks.value) say({ kind: "look", look: asOfNow(looks.value) });
}

function setConnected(is: boolean): void {
  if (is && !isConnected.value) back.set(back.value + 1);
  isConnected.set(is);
}

function tellConnected(is: boolean): void {
  if (is === isConnected.value) return;
  setConnected(is);
  say({ kind: "connected", is });
}

/** Reads the stream for all tabs, as long as this one is there. */
async function lead(): Promise<never> {
  isLeader = true;
  for (;;) {
    const { value } = signedIn;
    if (value.state === "in") await readLooks(value.token);
    else await changed();
  }
}

async function readLooks(token: string): Promise<void> {
  const over = new AbortController();
  const forget = signedIn.onChange(() => over.abort(new Error("another token")));
  let timer = 0;
  let waitMs = retryMs;
  const alive = () => {
    clearTimeout(timer);
    timer = setTimeout(() => over.abort(new Error("the server is silent")), silentMsMax) as never;
  };
  alive();
  try {
    const onLook = ({ data }: ServerEvent) => {
      const look = JSON.parse(data) as Look;
      heardAt = Date.now();
      looks.set(look);
      say({ kind: "look", look });
    };
    // Whatever comes says that the server is there; the first look may take seconds.
    const onSound = () => {
      alive();
      tellConnected(true);
    };
    await readEvents("/v1/events", token, undefined, over.signal, onLook, onSound);
  } catch (error) {
    const { cause } = error as Error;
    if (cause === 401) tokenRefused(token);
    // It answers: too many streams are open, or it cannot read its tokens now.
    if (typeof cause === "number") waitMs = refusedMs;
  }
  clearTimeout(timer);
  forget();
  if (signedIn.value.state !== "in" || signedIn.value.token !== token) return;
  tellConnected(waitMs === refusedMs);
  await new Promise((resolve) => setTimeout(resolve, waitMs));
}

const changed = () =>
  new Promise<void>((resolve) => {
    const forget = signedIn.onChange(() => {
      forget();
      resolve();
    });
  });
