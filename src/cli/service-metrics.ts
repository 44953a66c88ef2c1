/** Serves the metrics for Prometheus, without tokens: only on this machine, unless an address of it is named. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import {
  addressText,
  isLoopback,
  type ListenAddress,
  parseListen,
} from "../configuration/listen-address.js";
import { messageOf, ThinkbackError } from "../errors.js";
import type { Metrics } from "../health/metrics.js";
import type { ServicePart } from "./served.js";

/** More scrapers than anybody has. */
const connectionsMax = 32;

export const metricsEndpoint: ServicePart = async ({ args, metrics, log }) => {
  if (args.metrics === undefined) return async () => undefined;
  const at = parseListen("--metrics", args.metrics);
  const own = metrics();
  const server = createServer((request, response) => {
    answer(own, at, request, response).catch((error: unknown) => {
      log.error({ error: messageOf(error) }, "the metrics could not be told");
      response.writeHead(500).end();
    });
  });
  server.maxConnections = connectionsMax;
  const { port } = await listen(server, at);
  log.info({ url: `http://${addressText({ ...at, port })}/metrics` }, "metrics are served");
  return () =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
};

function listen(server: Server, at: ListenAddress): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) =>
      reject(
        new ThinkbackError("usage", `--metrics ${addressText(at)}: ${messageOf(error)}`, {
          hint: "give an address of this machine, and a port that nothing else uses",
          cause: error,
        }),
      ),
    );
    server.listen(at, () => resolve(server.address() as AddressInfo));
  });
}

async function answer(
  metrics: Metrics,
  at: ListenAddress,
  { method, url, headers }: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const refuse = (status: number, text: string, more = {}) =>
    response.writeHead(status, { "content-type": "text/plain", ...more }).end(`${text}\n`);
  if (isLoopback(at) && !isOfThisMachine(headers.host)) {
    return void refuse(403, "this address is for programs of this machine");
  }
  if (url?.split("?", 1)[0] !== "/metrics") return void refuse(404, "the metrics are at /metrics");
  if (method !== "GET" && method !== "HEAD") {
    return void refuse(405, "metrics can only be read", { allow: "GET, HEAD" });
  }
  const text = await metrics.text();
  response.writeHead(200, {
    "content-type": metrics.contentType,
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
  });
  response.end(method === "HEAD" ? undefined : text);
}

/** False for a name that a page of the web had resolved to this machine, to read what is served here. */
function isOfThisMachine(host: string | undefined): boolean {
  const url = `http://${host}`;
  if (!URL.canParse(url)) return false;
  return isLoopback({ host: new URL(url).hostname.replace(/^\[(.*)\]$/, "$1"), port: 0 });
}
