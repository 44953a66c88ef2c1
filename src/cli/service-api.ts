/** The HTTP API of `thinkback run`. */
import { readFile } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import { readConsole } from "../api/console-files.js";
import { makeServer } from "../api/server.js";
import { withoutSecrets } from "../configuration/addresses.js";
import { isLoopback, type ListenAddress, parseListen } from "../configuration/listen-address.js";
import { messageOf, ThinkbackError } from "../errors.js";
import { namesTarget } from "./configured.js";
import { accessToSource, isGiven } from "./connect.js";
import type { RunArguments } from "./run-arguments.js";
import type { Served, ServicePart } from "./served.js";
import { recoveryTargetsOf, sourceAsTarget } from "./service-recoveries.js";
import { version } from "./version.js";

export const apiPart: ServicePart = async (served) => {
  const { args, roles, repository, facts, commands, waker, clock, log, signal } = served;
  const place = apiPlace(args);
  if (!place) return () => Promise.resolve();
  const tls = await tlsOf(args);
  const server = makeServer({
    store: repository.store,
    commands,
    clock,
    facts,
    waker,
    live: await liveTablesOf(args),
    hosts: args.apiHost,
    tls,
    work: {
      version,
      repository: withoutSecrets(args.repo),
      targets: args.recoveries && roles.has("restore") ? [...recoveryTargetsOf(args).keys()] : null,
    },
    console: await readConsole(),
    metrics: async () => {
      const measured = served.metrics();
      return { contentType: measured.contentType, text: await measured.text() };
    },
    onDefect: (error, route) =>
      log.error({ route, error: messageOf(error) }, "an API request failed"),
    ending: signal,
  });
  try {
    const url = await server.app.listen(place);
    log.info({ api: url }, "the API is served");
  } catch (error) {
    await server.app.close();
    throw new ThinkbackError("usage", `--api ${args.api}: ${messageOf(error)}`, {
      hint: "give an address of this machine, and a port that is free",
      cause: error,
    });
  }
  return () =>
    server.end().catch((error: unknown) => {
      log.warn({ error: messageOf(error) }, "the API ended badly");
    });
};

/** Throws for options that would never work, before anything is begun. */
export async function checkApi(args: Served["args"]): Promise<void> {
  apiPlace(args);
  for (const name of args.apiHost) {
    if (/^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$/.test(name)) continue;
    throw new ThinkbackError("usage", `--api-host "${name}" is not a name of a host`, {
      hint: "give a name without a port, such as backup.example.com",
    });
  }
  await tlsOf(args);
}

/** Where the API listens; undefined if it is not wanted. Throws for an address that would show tokens to others. */
export function apiPlace(
  args: Pick<RunArguments, "api" | "apiCert" | "apiKey" | "apiInsecure">,
): ListenAddress | undefined {
  const { api, apiCert, apiKey, apiInsecure } = args;
  if ((apiCert === undefined) !== (apiKey === undefined)) {
    throw new ThinkbackError("usage", "--api-cert and --api-key go together", {
      hint: "give the files of the certificate and of its key",
    });
  }
  if (api === undefined) return undefined;
  const place = parseListen("--api", api);
  if (isLoopback(place) || apiCert !== undefined || apiInsecure) return place;
  throw new ThinkbackError("usage", `--api ${api} would send tokens and documents unencrypted`, {
    hint: "give --api-cert and --api-key; or an address such as 127.0.0.1; or --api-insecure, if a proxy in front of it does TLS",
  });
}

/**
 * The environment in which a command reaches the live tables: those of the target that the configuration names, or else
 * of the source. Undefined if there is neither.
 */
async function liveTablesOf(args: RunArguments): Promise<Record<string, string> | undefined> {
  // Commands in processes of their own find it by themselves.
  if (await namesTarget(args)) return {};
  return isGiven(accessToSource(args)) ? sourceAsTarget(args) : undefined;
}

async function tlsOf({ apiCert, apiKey }: Served["args"]) {
  if (apiCert === undefined || apiKey === undefined) return undefined;
  const read = async (option: string, file: string) => {
    try {
      return await readFile(file);
    } catch (error) {
      throw new ThinkbackError("usage", `${option} ${file} cannot be read: ${messageOf(error)}`, {
        hint: "give a file in PEM form that this user may read",
        cause: error,
      });
    }
  };
  const tls = { cert: await read("--api-cert", apiCert), key: await read("--api-key", apiKey) };
  try {
    createSecureContext(tls);
  } catch (error) {
    const text = `--api-cert and --api-key cannot be used: ${messageOf(error)}`;
    const hint = "give a certificate and its own key, in PEM form";
    throw new ThinkbackError("usage", text, { hint, cause: error });
  }
  return tls;
}
