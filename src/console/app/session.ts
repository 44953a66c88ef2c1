/**
 * Who has signed in. The token is kept by the tab, and given to other tabs of this browser that ask for it: closing the
 * last tab forgets it. It is in no cookie, which every port of this machine would be sent, and in no URL.
 */
import type { Session } from "./answers.js";
import { Shared } from "./store.js";

export type SignedIn =
  /** It is not known yet: other tabs are asked. */
  | { state: "asking" }
  | { state: "out" }
  /** There was a token, and it does not count any more. What was shown stays. */
  | { state: "expired"; name: string }
  | { state: "in"; token: string; session: Session };

export const signedIn = new Shared<SignedIn>({ state: "asking" });

const storageName = "thinkback-token";
/** How long other tabs are given to answer. */
const askMs = 250;

type Said = { kind: "who" } | { kind: "token"; token: string } | { kind: "out" };
const channel = new BroadcastChannel("thinkback-session");
const say = (said: Said) => channel.postMessage(said);

/**
 * Signs in with a token. Rejects with what is wrong, for people.
 * @param onlyAs nothing is done if the token is of another name
 */
export async function signIn(token: string, onlyAs?: string): Promise<void> {
  const response = await fetch("/v1/session", {
    headers: { authorization: `Bearer ${token}` },
    cache: "no-store",
  });
  if (response.status === 401) throw new Error("This token is unknown, expired or revoked.");
  if (!response.ok) throw new Error(`The server answers ${response.status}: try again.`);
  const session = (await response.json()) as Session;
  if (onlyAs !== undefined && session.name !== onlyAs) return;
  sessionStorage.setItem(storageName, token);
  signedIn.set({ state: "in", token, session });
}

export function signOut(): void {
  sessionStorage.removeItem(storageName);
  signedIn.set({ state: "out" });
  say({ kind: "out" });
}

/** The server has refused the token. */
export function tokenRefused(token: string): void {
  const now = signedIn.value;
  if (now.state !== "in" || now.token !== token) return;
  sessionStorage.removeItem(storageName);
  signedIn.set({ state: "expired", name: now.session.name });
  // Somebody may have signed in anew in another tab already.
  say({ kind: "who" });
}

/** After a person has signed in: other tabs whose token has ended go on too. */
export const shareToken = (token: string) => say({ kind: "token", token });

/** Takes the token that this tab has, or that another tab gives. */
export async function begin(): Promise<void> {
  channel.addEventListener("message", ({ data }: MessageEvent<Said>) => void heard(data));
  const kept = sessionStorage.getItem(storageName);
  if (kept !== null) return signIn(kept).catch(() => signedIn.set({ state: "out" }));
  say({ kind: "who" });
  await new Promise((resolve) => setTimeout(resolve, askMs));
  if (signedIn.value.state === "asking") signedIn.set({ state: "out" });
}

async function heard(said: Said): Promise<void> {
  const { value } = signedIn;
  if (said.kind === "who" && value.state === "in") shareToken(value.token);
  if (said.kind === "token" && value.state !== "in")
    await signIn(said.token, value.state === "expired" ? value.name : undefined).catch(
      () => undefined,
    );
  if (said.kind === "out" && value.state === "in") {
    sessionStorage.removeItem(storageName);
    signedIn.set({ state: "out" });
  }
}

/** True if whoever has signed in may do this. */
export function may(right: string): boolean {
  const { value } = signedIn;
  return value.state === "in" && value.session.rights.includes(right);
}
