/** The HTTP server: which requests come through to the routes, and how answers go out. */
import { setMaxListeners } from "node:events";
import Fastify, {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from "fastify";
import type { Clock } from "../clock.js";
import type { PrintedCommands } from "../commands.js";
import type { Waker } from "../coordination/wake.js";
import type { Facts } from "../health/facts.js";
import { AuditWriter } from "../repository/records/audit.js";
import type { ApiToken } from "../repository/registers/tokens.js";
import type { ObjectStore } from "../storage/object-store.js";
import { answering } from "./answering.js";
import { BoundedCommands } from "./bounded-commands.js";
import { lookedAt } from "./change-events.js";
import { type ConsoleFiles, serveConsole } from "./console-files.js";
import { refuseForeign } from "./foreign.js";
import { everyChargedMs, everyMs, Looks } from "./looks.js";
import { serveMcp } from "./mcp.js";
import { openApi } from "./openapi.js";
import { healthTold } from "./probes.js";
import { headersOf, problemOf, Refusal } from "./problem.js";
import { may, rolesWith } from "./rights.js";
import type { Route, ServerWork, Surroundings } from "./route.js";
import { alarms } from "./routes-alarms.js";
import { auditing } from "./routes-audit.js";
import { documents } from "./routes-documents.js";
import { notes } from "./routes-notes.js";
import { overviews } from "./routes-overview.js";
import { recoveries } from "./routes-recoveries.js";
import { seeing } from "./routes-seeing.js";
import { session } from "./routes-session.js";
import { TokenSet } from "./token-set.js";

export interface ApiOptions {
  store: ObjectStore;
  commands: PrintedCommands;
  clock: Clock;
  facts: Facts;
  waker: Waker;
  /** The environment in which a command reaches the live tables; undefined if this process does not know them. */
  live: Record<string, string> | undefined;
  /** Names under which clients may reach it, beside addresses and "localhost". */
  hosts: readonly string[];
  tls?: { cert: Buffer; key: Buffer } | undefined;
  /** What it can do, for who shows it to people. */
  work: ServerWork;
  /** The console; not served if absent. */
  console?: ConsoleFiles | undefined;
  /** A token of this process only, which the repository does not have. */
  ownToken?: ApiToken | undefined;
  /** How long a client may take to send a request, in ms; 15 s if absent. */
  requestMsMax?: number;
  /** What /metrics answers; absent if metrics are not served here. */
  metrics?: (() => Promise<{ contentType: string; text: string }>) | undefined;
  /** Told of each error that is no answer of a command. */
  onDefect: (error: unknown, route: string) => void;
  /** Aborts when the process is to end. */
  ending: AbortSignal;
}

export interface ApiServer {
  app: FastifyInstance;
  /** Waits for what is under way, for some seconds, and closes all connections. Does not throw. */
  end(): Promise<void>;
}

export const allRoutes: readonly Route[] = [
  ...seeing,
  ...overviews,
  ...documents,
  ...notes,
  ...alarms,
  ...recoveries,
  ...auditing,
  ...session,
];

const bodyBytesMax = 64 * 1024;
const requestMsMaxDefault = 15_000;
/** After so long without a byte in either direction a connection is closed: more than a command may run. */
const idleMsMax = 150_000;
const connectionsMax = 500;
/** How long the requests under way are waited for at the end. */
const endMsMax = 3000;

/** Makes the server; it listens to nothing yet. */
export function makeServer(options: ApiOptions): ApiServer {
  const { store, clock, tls, waker, live, ending, requestMsMax = requestMsMaxDefault } = options;
  // Node looks at this interval whether a request takes too long.
  const ofNode = { connectionsCheckingInterval: requestMsMax / 4, headersTimeout: requestMsMax };
  const app = Fastify({
    ...(tls ? { https: { ...tls, ...ofNode, minVersion: "TLSv1.2" } } : { http: ofNode }),
    logger: false,
    bodyLimit: bodyBytesMax,
    requestTimeout: requestMsMax,
    connectionTimeout: idleMsMax,
    forceCloseConnections: true,
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: 300 },
    frameworkErrors: (error: FastifyError, _: FastifyRequest, reply: FastifyReply) =>
      void sendProblem(reply, ofFramework(error)),
    clientErrorHandler: onClientError,
  } as object) as FastifyInstance;
  app.server.maxConnections = connectionsMax;
  // Connections that wait for another request make room, so that probes are answered.
  app.server.on("drop", () => app.server.closeIdleConnections());
  takeBodies(app);
  // Each route checks what it is given by its own schemas.
  app.setValidatorCompiler(() => () => true);
  const tokens = new TokenSet(store, clock, options.ownToken);
  const commands = new BoundedCommands(options.commands, clock, ending);
  const around: Surroundings = {
    store,
    clock,
    waker,
    live,
    ending,
    commands,
    looks: new Looks(clock, store.chargesRequests ? everyChargedMs : everyMs, () =>
      lookedAt({ commands, store }),
    ),
    audit: new AuditWriter(store, clock),
    facts: options.facts,
    server: options.work,
    counts: (caller) => tokens.counts(caller),
  };
  // Each request under way listens to it.
  setMaxListeners(0, ending);
  app.setErrorHandler((error, request, reply) => {
    const known = ofFramework(error as FastifyError);
    const seesContents = request.caller !== undefined && may(request.caller, "contents");
    const problem = problemOf(known, seesContents);
    // Whoever has gone away is answered nothing, and that is no defect.
    const isGone = reply.raw.destroyed || ending.aborted;
    if (problem.status === 500 && !isGone)
      options.onDefect(error, request.routeOptions.url ?? request.method);
    return reply.status(problem.status).headers(headersOf(problem)).send(JSON.stringify(problem));
  });
  app.setNotFoundHandler(() => {
    throw new Refusal("not-found", "there is nothing under this path for this method");
  });
  app.addHook("onRequest", async (request, reply) => {
    reply.headers({ "cache-control": "no-store", "x-content-type-options": "nosniff" });
    if (isProbe(request)) return;
    refuseForeign(request.headers, { hosts: options.hosts, isTls: tls !== undefined });
  });
  addProbes(app, options, tokens);
  app.decorateRequest("caller", undefined);
  const authorise = (route: Pick<Route, "right">) => async (request: FastifyRequest) => {
    const caller = await tokens.callerOf(bearerOf(request));
    if (!caller) throw new Refusal("unauthenticated", "the token is unknown, expired or revoked");
    request.caller = caller;
    if (may(caller, route.right)) return;
    throw new Refusal("forbidden", `this is for the role ${rolesWith(route.right)}`);
  };
  for (const route of allRoutes) {
    app.route({
      method: route.method,
      url: route.path.replaceAll(/\{(\w+)\}/g, ":$1"),
      // Before the body is read.
      onRequest: authorise(route),
      handler: answering(route, around),
    });
  }
  const document = JSON.stringify(openApi(allRoutes, options.work.version));
  app.get("/openapi.json", (_, reply) => reply.type("application/json").send(document));
  const { metrics } = options;
  if (metrics) {
    app.get("/metrics", { onRequest: authorise({ right: "see" }) }, async (_, reply) => {
      const { contentType, text } = await metrics();
      return reply.type(contentType).send(text);
    });
  }
  serveMcp(app, { version: options.work.version, authorise: authorise({ right: "see" }) });
  if (options.console) serveConsole(app, options.console);
  return { app, end: endOf(app, clock) };
}

declare module "fastify" {
  interface FastifyRequest {
    caller: import("./rights.js").Caller | undefined;
  }
}

const probePaths = ["/livez", "/readyz", "/healthz"];

const isProbe = ({ routeOptions }: FastifyRequest) => probePaths.includes(routeOptions.url ?? "");

function addProbes(app: FastifyInstance, options: ApiOptions, tokens: TokenSet): void {
  const { facts, clock, ending } = options;
  const json = (reply: FastifyReply, isWell: boolean, said: object) =>
    reply
      .status(isWell ? 200 : 503)
      .type("application/json")
      .send(JSON.stringify(said));
  // Load balancers ask by HEAD.
  const withHead = { exposeHeadRoute: true };
  app.get("/livez", withHead, (_, reply) => json(reply, true, { alive: true }));
  app.get("/readyz", withHead, async (_, reply) => {
    const ready = !ending.aborted && (await tokens.isUsable());
    return json(reply, ready, { ready });
  });
  app.get("/healthz", withHead, (_, reply) => {
    const health = healthTold(facts, clock.now());
    return json(reply, health.healthy, health);
  });
}

function bearerOf({ headers }: FastifyRequest): string {
  const match = /^Bearer ([\w-]{1,200})$/i.exec(headers.authorization ?? "");
  if (match) return match[1]!;
  const hint = "send it as Authorization: Bearer <token>";
  throw new Refusal("unauthenticated", "a token is needed", hint);
}

/** A body is JSON. An empty one is none, of whatever type it is said to be: many clients name a type in any case. */
function takeBodies(app: FastifyInstance): void {
  const json = app.getDefaultJsonParser("error", "error");
  const read = { parseAs: "string" } as const;
  app.removeAllContentTypeParsers();
  app.addContentTypeParser<string>("application/json", read, (request, text, done) =>
    text === "" ? done(null, undefined) : json(request, text, done),
  );
  app.addContentTypeParser<string>("*", read, (_, text, done) =>
    text === "" ? done(null, undefined) : done(otherType()),
  );
}

/** An error of fastify as what is wrong with the request; any other error as it is. */
function ofFramework(error: FastifyError): Error {
  const { code, statusCode } = error;
  if (typeof code !== "string" || !code.startsWith("FST_") || !statusCode || statusCode >= 500) {
    return statusCode === 400 && error.name === "SyntaxError" ? badBody() : error;
  }
  if (statusCode === 413)
    return new Refusal("too-large", `a body has at most ${bodyBytesMax} bytes`);
  if (statusCode === 415) return otherType();
  return new Refusal("invalid", error.message);
}

const otherType = () => new Refusal("unsupported-type", "a body is application/json");
const badBody = () => new Refusal("invalid", "the body is not JSON");

function sendProblem(reply: FastifyReply, error: Error): FastifyReply {
  const problem = problemOf(error, false);
  return reply.status(problem.status).headers(headersOf(problem)).send(JSON.stringify(problem));
}

/** Answers what is no HTTP request, or came too slowly, and closes the connection. */
function onClientError(error: NodeJS.ErrnoException, socket: import("node:net").Socket): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const refusal =
    error.code === "ERR_HTTP_REQUEST_TIMEOUT"
      ? new Refusal("timeout", "the request was sent too slowly")
      : error.code === "HPE_HEADER_OVERFLOW"
        ? new Refusal("header-too-large", "the headers are too large")
        : new Refusal("invalid", "this is no HTTP request");
  const problem = problemOf(refusal, false);
  const body = JSON.stringify(problem);
  const head = `content-type: application/problem+json\r\ncontent-length: ${Buffer.byteLength(body)}`;
  socket.write(
    `HTTP/1.1 ${problem.status} ${problem.title}\r\n${head}\r\nconnection: close\r\n\r\n${body}`,
  );
  // A client that does not close its end would keep a place until it has been idle for minutes.
  socket.destroySoon();
}

function endOf(app: FastifyInstance, clock: Clock): () => Promise<void> {
  let underWay = 0;
  let onIdle: (() => void) | undefined;
  app.addHook("onRequest", (_, __, done) => {
    underWay += 1;
    done();
  });
  app.addHook("onResponse", (_, __, done) => {
    underWay -= 1;
    if (underWay === 0) onIdle?.();
    done();
  });
  return async () => {
    const idle = new Promise<void>((resolve) => (onIdle = resolve));
    if (underWay > 0) await Promise.race([idle, clock.sleep(endMsMax)]);
    await app.close();
  };
}
