/** Answers the requests of one route: checks what is given, tells the audit, and sends what comes of it. */
import type { Socket } from "node:net";
import type { FastifyReply, FastifyRequest } from "fastify";
import * as v from "valibot";
import { abortWith } from "../abort.js";
import { withTimeout } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import { compressed } from "./compressed.js";
import { wrongIn } from "./given.js";
import { Refusal } from "./problem.js";
import { may } from "./rights.js";
import { type Asked, EventStream, type Route, type Shape, type Surroundings } from "./route.js";

/** Of all clients together: each holds a connection and asks the repository again and again. */
const streamsMax = 64;
const streamsOfOneMax = 8;
/** A client that takes nothing for so long is left; it comes again with the id of the last event. */
const slowMsMax = 10_000;

type Handler = (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>;

export function answering(route: Route, around: Surroundings): Handler {
  const streams = new Map<string, number>();
  return async (request, reply) => {
    const over = new AbortController();
    const { signal } = over;
    const forget = abortWith(around.ending, over);
    reply.raw.once("close", () => {
      forget();
      over.abort(new Error("the client has gone"));
    });
    const caller = request.caller!;
    const asked: Asked<never, never, never> = {
      params: given(route.params, request.params) as never,
      query: given(route.query, request.query) as never,
      body: given(route.body, request.body ?? (route.body ? undefined : {})) as never,
      header: (name) => request.headers[name]?.toString(),
      caller,
      seesContents: may(caller, "contents"),
      signal,
    };
    const { status = 200, headers = {}, body } = await audited(route, asked, request.ip, around);
    reply.headers(headers).status(status);
    if (status === 204) return reply.send();
    if (body instanceof EventStream) return stream(body, reply, streams, asked, around);
    const bytes = Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body));
    return reply.type("application/json").send(await compressed(bytes, request, reply));
  };
}

/** What was given, as the schema has it. Throws a Refusal if it is something else. */
function given(shape: Shape | undefined, value: unknown): object {
  if (shape === undefined) return {};
  const found = v.safeParse(shape, value ?? {}, { abortEarly: true });
  if (found.success) return found.output;
  const wrong = wrongIn(found.issues, shape);
  throw new Refusal("invalid", wrong, "/openapi.json says what this takes");
}

/** The answer, after the audit has what there is to say. */
async function audited(
  route: Route,
  asked: Asked<never, never, never>,
  address: string,
  around: Surroundings,
) {
  const said = route.audited?.(asked);
  if (!said) return route.answer(asked, around);
  const actor = { name: asked.caller.name, via: "api" as const };
  const write = async (outcome: string) => {
    try {
      await around.audit.write({ actor, ...said, outcome, address });
    } catch {
      const message = "the audit cannot be written, so this is not answered";
      throw new Refusal("audit", message, "look at the store of the repository");
    }
  };
  const changes = route.method !== "GET" && !route.isReading;
  if (changes) await write("begins");
  try {
    const answer = await route.answer(asked, around).finally(() => {
      if (changes) around.commands.forgetShared();
    });
    await write("done");
    return answer;
  } catch (error) {
    // An error may quote documents as well.
    if (!(error instanceof Refusal && error.code === "audit")) await write(codeOf(error));
    throw error;
  }
}

const codeOf = (error: unknown): string =>
  error instanceof Refusal || error instanceof ThinkbackError ? error.code : "internal";

async function stream(
  { run }: EventStream,
  reply: FastifyReply,
  streams: Map<string, number>,
  { caller, signal }: Pick<Asked<never, never, never>, "caller" | "signal">,
  { clock, counts }: Pick<Surroundings, "clock" | "counts">,
): Promise<void> {
  const own = streams.get(caller.id) ?? 0;
  const all = [...streams.values()].reduce((sum, count) => sum + count, 0);
  if (own >= streamsOfOneMax) throw new Refusal("too-many", `${own} streams are open already`);
  if (all >= streamsMax) throw new Refusal("busy", `${all} streams are open already`);
  streams.set(caller.id, own + 1);
  const { raw } = reply.hijack();
  raw.writeHead(200, {
    ...(reply.getHeaders() as Record<string, string>),
    "content-type": "text/event-stream",
    "cache-control": "no-store",
    // nginx would gather events.
    "x-accel-buffering": "no",
  });
  raw.flushHeaders();
  const send = async (text: string) => {
    // The token may have been revoked, or have expired, since the stream began.
    if (!(await counts(caller))) throw new Error("the token does not count any more");
    signal.throwIfAborted();
    if (raw.write(text)) return;
    const drained = new Promise<void>((resolve) => void raw.once("drain", resolve));
    await withTimeout(clock, slowMsMax, drained, () => new Error("the client takes nothing"));
  };
  try {
    await run({ send, signal });
    raw.end();
  } catch {
    // The client has gone, is too slow, may see nothing more, or is to ask another process. It comes again by itself.
    (raw.socket as Socket | null)?.destroy();
  } finally {
    const left = streams.get(caller.id)! - 1;
    if (left === 0) streams.delete(caller.id);
    else streams.set(caller.id, left);
  }
}
