/** The console on a server whose commands print what a test has made up. */
import type { AddressInfo } from "node:net";
import { readConsole } from "../../src/api/console-files.js";
import { makeServer } from "../../src/api/server.js";
import { systemClock } from "../../src/clock.js";
import type { PrintedCommands } from "../../src/commands.js";
import { localWaker } from "../../src/coordination/wake.js";
import { Facts } from "../../src/health/facts.js";
import { createToken } from "../../src/repository/registers/tokens.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import { makeRepository } from "../repository/recording.js";

/** Commands that print this, by their first words; each time anew. */
export function printing(results: Record<string, () => object>): PrintedCommands {
  // Throwing, a command has failed.
  const print = (args: readonly string[]) =>
    Promise.resolve().then(() => Buffer.from(JSON.stringify(results[args[0]!]!())));
  return { print, run: async (args) => JSON.parse((await print(args)).toString()) as object };
}

export async function serveGenerated(commands: PrintedCommands) {
  const { store } = await makeRepository(new MemoryStore());
  const request = { name: "generated", role: "operator" as const, expiresAt: undefined };
  const { text: token } = await createToken(store, request, Date.now());
  const ending = new AbortController();
  const facts = new Facts(systemClock);
  const server = makeServer({
    store,
    commands,
    clock: systemClock,
    facts,
    waker: localWaker(),
    hosts: [],
    live: undefined,
    work: { version: "0.0.0", targets: null, repository: "the repository" },
    console: await readConsole(),
    onDefect: (error, route) => console.error(route, error),
    ending: ending.signal,
  });
  await server.app.listen({ port: 0, host: "127.0.0.1" });
  const { port } = server.app.server.address() as AddressInfo;
  return {
    port,
    token,
    facts,
    close: async () => {
      ending.abort(new Error("it is over"));
      await server.end();
    },
  };
}
