/** `thinkback console`: shows a repository in a browser, as long as the command runs. */
import { randomBytes } from "node:crypto";
import { aborted } from "../abort.js";
import { readConsole } from "../api/console-files.js";
import { makeServer } from "../api/server.js";
import { systemClock } from "../clock.js";
import { withoutSecrets } from "../configuration/addresses.js";
import { isLoopback, parseListen } from "../configuration/listen-address.js";
import { localWaker } from "../coordination/wake.js";
import { messageOf, ThinkbackError } from "../errors.js";
import { Facts } from "../health/facts.js";
import { hashOf, tokenText } from "../repository/registers/tokens.js";
import { openRepository } from "../repository/repository.js";
import { commandsOn } from "./child-command.js";
import { accessToTarget, addressesOf, isGiven, type TargetArguments } from "./connect.js";
import { copiesAt, type Repos } from "./copies-at.js";
import type { KeyArguments } from "./keyed.js";
import type { Output } from "./output.js";
import { stopOnSignals } from "./stop-signals.js";
import { userName } from "./user-name.js";
import { version } from "./version.js";

export interface ConsoleArguments extends TargetArguments, KeyArguments {
  repo: Repos;
  listen: string;
  config?: string;
}

/** Serves the console until a signal ends it. Whoever signs in may do what the user of this machine may. */
export async function consoleCommand(args: ConsoleArguments, output: Output): Promise<void> {
  const place = parseListen("--listen", args.listen);
  if (!isLoopback(place)) {
    throw new ThinkbackError("usage", `--listen "${args.listen}" can be reached from elsewhere`, {
      hint: "give a port of this machine; to serve others, see `thinkback run --api`, docs/api.md",
    });
  }
  const seesLive = isGiven(accessToTarget(args));
  // What cannot be read is refused before anybody waits for it.
  if (seesLive) addressesOf(accessToTarget(args), "target");
  const files = await readConsole();
  if (files.size === 0) {
    throw new ThinkbackError("install", "the console is not in this installation", {
      hint: "install the package anew; from its sources: npm run build",
    });
  }
  const { store } = await openRepository(await copiesAt(args.repo, output));
  const [repo, ...copies] = args.repo;
  const stop = stopOnSignals(() => undefined);
  const { text, token } = ownToken();
  const clock = systemClock;
  const server = makeServer({
    store,
    commands: commandsOn({ ...args, repo: repo! }, copies),
    clock,
    facts: new Facts(clock),
    waker: localWaker(),
    hosts: [],
    work: { version, repository: withoutSecrets(repo!), targets: null },
    live: seesLive ? targetIn(args) : undefined,
    console: files,
    ownToken: token,
    onDefect: (error, route) => output.note(`thinkback: ${route} failed: ${messageOf(error)}`),
    ending: stop,
  });
  try {
    const url = await server.app.listen(place);
    // The result comes at the end; whoever reads that only needs this before.
    const tell = (line: string) => (output.json ? output.note(line) : output.line(line));
    tell(`the console is at ${url}/`);
    tell(`sign in with ${text}`);
    output.note("thinkback: Ctrl-C ends it, and with it this token");
    await aborted(stop);
  } catch (error) {
    throw new ThinkbackError("usage", `--listen "${args.listen}": ${messageOf(error)}`, {
      hint: "give another port, or 0 for any that is free",
      cause: error,
    });
  } finally {
    await server.end();
  }
  output.result({ ended: true });
}

/** A token that counts as long as this process runs, and is stored nowhere. */
function ownToken() {
  const id = randomBytes(4).toString("hex");
  const secret = randomBytes(32).toString("base64url");
  const about = { number: 1, id, name: userName(), role: "admin" as const, revoked: false };
  const token = { ...about, hash: hashOf(secret), createdAt: systemClock.now() };
  return { text: tokenText(id, secret), token };
}

/** The environment in which a command compares with this target: its URL may hold a password. */
const targetIn = (args: TargetArguments): Record<string, string> => ({
  THINKBACK_TARGET: args.target.join(" "),
  THINKBACK_TARGET_FILE: args.target.length > 0 ? "" : (args.targetFile ?? ""),
  THINKBACK_TARGET_PASSWORD: args.targetPassword ?? "",
  THINKBACK_TARGET_PASSWORD_FILE: args.passwordFile ?? "",
});
