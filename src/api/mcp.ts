/**
 * Answers assistants by the Model Context Protocol at POST /mcp, statelessly: each request is whole, and has a token.
 *
 * Invariant: a tool does what a route of the API does, and asks it with the caller's own token. So an assistant reads
 * and requests what its token may, the audit has it, and nothing is approved. Break it and rights are decided twice.
 */
import { randomUUID } from "node:crypto";
import { Readable } from "node:stream";
import type { AuthInfo, McpHttpHandler } from "@modelcontextprotocol/server";
import { toJsonSchema } from "@valibot/to-json-schema";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import * as v from "valibot";
import { wrongIn } from "./given.js";
import { type AskedRoute, type Tool, tools } from "./mcp-tools.js";

export interface McpOptions {
  /** Of the program. */
  version: string;
  /** Refuses a request without a token that counts, before its body is read. */
  authorise: (request: FastifyRequest) => Promise<void>;
}

/** More would fill an assistant's memory with one answer. */
const charactersMax = 200_000;

const instructions =
  "A backup of a RethinkDB cluster with point-in-time recovery. Look with status, points and diff before you request anything. " +
  "You cannot restore anything yourself: request_recovery makes a plan, which a person approves.";

/** Adds the route. The API's own routes MUST be on the same server. */
export function serveMcp(app: FastifyInstance, { version, authorise }: McpOptions): void {
  let handler: Promise<Fetch> | undefined;
  app.route({
    method: ["GET", "POST", "DELETE"],
    url: "/mcp",
    onRequest: authorise,
    handler: async (request, reply) => {
      // Loaded when the first assistant asks: most servers never need it.
      handler ??= makeHandler(version);
      const ask: Ask = (asked) => askRoute(app, request, asked);
      const authInfo: AuthInfo = { token: "", clientId: "", scopes: [], extra: { ask } };
      const fetch = await handler;
      const response = await fetch(asWebRequest(request), { authInfo, parsedBody: request.body });
      return sent(reply, response);
    },
  });
}

interface Answered {
  status: number;
  body: string;
}

/** Asks the API for whoever has sent the request. */
type Ask = (asked: AskedRoute) => Promise<Answered>;

async function askRoute(
  app: FastifyInstance,
  { headers: { authorization = "", host = "" }, ip }: FastifyRequest,
  { method, path, query = {}, headers, body }: AskedRoute,
): Promise<Answered> {
  const given = Object.entries(query).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  );
  const { statusCode, body: text } = await app.inject({
    method,
    url: path,
    query: Object.fromEntries(given),
    headers: { authorization, host, ...headers },
    remoteAddress: ip,
    ...(body ? { payload: body } : {}),
  });
  return { status: statusCode, body: text };
}

type Fetch = McpHttpHandler["fetch"];

async function makeHandler(version: string): Promise<Fetch> {
  const protocol = await import("@modelcontextprotocol/server");
  const { createMcpHandler, isLegacyRequest, Server, WebStandardStreamableHTTPServerTransport } =
    protocol;
  const listed = tools.map(asListed);
  const makeServer = ({ authInfo }: { authInfo?: AuthInfo | undefined }) => {
    const server = new Server(
      { name: "thinkback", version },
      { capabilities: { tools: {} }, instructions },
    );
    const ask = authInfo!.extra!["ask"] as Ask;
    server.setRequestHandler("tools/list", () => ({ tools: listed }));
    server.setRequestHandler("tools/call", ({ params }) => called(params, ask));
    return server;
  };
  // Nothing is told later on, so nobody need wait for it.
  const { fetch } = createMcpHandler(makeServer, { maxSubscriptions: 0 });
  return async (request, options = {}) => {
    const isOld = request.method === "POST" && (await isLegacyRequest(request, options.parsedBody));
    if (!isOld) return fetch(request, options);
    // It would answer a request of 2025 by a stream with one event in it.
    const transport = new WebStandardStreamableHTTPServerTransport({ enableJsonResponse: true });
    await makeServer(options).connect(transport);
    return transport.handleRequest(request, options);
  };
}

function asListed({ name, description, input, isReading }: Tool) {
  const { $schema: _, ...inputSchema } = toJsonSchema(input);
  // What it changes is a request alone, and only adds one.
  const annotations = { readOnlyHint: isReading, destructiveHint: false, openWorldHint: false };
  return { name, description, annotations, inputSchema: inputSchema as { type: "object" } };
}

type Result = { content: { type: "text"; text: string }[]; isError?: boolean };

async function called(
  {
    name,
    arguments: given = {},
  }: { name: string; arguments?: Record<string, unknown> | undefined },
  ask: Ask,
): Promise<Result> {
  const tool = tools.find((one) => one.name === name);
  if (!tool) return failed(`there is no tool ${name}`);
  const { success, output, issues } = v.safeParse(tool.input, given);
  if (!success) {
    const texts = issues.map((issue) => wrongIn([issue], tool.input));
    return failed(texts.join("; "));
  }
  const { status, body } = await ask(tool.route(output, randomUUID()));
  if (status >= 400) return failed(body);
  if (body.length > charactersMax) {
    return failed(
      `the answer has ${body.length} characters, and ${charactersMax} are given at most: ask for less`,
    );
  }
  return { content: [{ type: "text", text: body }] };
}

const failed = (text: string): Result => ({ content: [{ type: "text", text }], isError: true });

/** Of the request only what the protocol looks at. Its body was read before. */
function asWebRequest({ method, headers }: FastifyRequest): Request {
  const names = ["accept", "content-type", "last-event-id"];
  const own = Object.entries(headers).filter(
    ([name, value]) =>
      (names.includes(name) || name.startsWith("mcp-")) && typeof value === "string",
  ) as [string, string][];
  return new Request("http://localhost/mcp", { method, headers: own });
}

async function sent(
  reply: FastifyReply,
  { status, headers, body }: Response,
): Promise<FastifyReply> {
  reply.status(status);
  for (const [name, value] of headers) reply.header(name, value);
  return reply.send(
    body === null ? "" : Readable.fromWeb(body as Parameters<typeof Readable.fromWeb>[0]),
  );
}
