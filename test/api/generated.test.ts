/** The description of the API: sound by a linter, and true: requests made of it are answered as it says. */
import { Validator } from "@seriousme/openapi-schema-validator";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { allRoutes } from "../../src/api/server.js";
import { systemClock } from "../../src/clock.js";
import { createRecovery } from "../../src/recoveries/recoveries.js";
import { type Role, roles } from "../../src/repository/registers/tokens.js";
import { planted, type Served, serveRecorded } from "./served.js";

interface JsonSchema {
  type?: string;
  enum?: unknown[];
  pattern?: string;
  minLength?: number;
  maxLength?: number;
  maxItems?: number;
  minimum?: number;
  maximum?: number;
  items?: JsonSchema;
  properties?: Record<string, JsonSchema>;
  required?: string[];
}
interface Parameter {
  name: string;
  in: "path" | "query" | "header";
  required: boolean;
  schema: JsonSchema;
}
interface Operation {
  operationId: string;
  parameters?: Parameter[];
  requestBody?: { content: { "application/json": { schema: JsonSchema } } };
  responses: Record<string, { content?: Record<string, { schema: object }> }>;
}
interface Document {
  openapi: string;
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: { Problem: object } };
}

let served: Served;
let document: Document;
let id: string;

beforeAll(async () => {
  served = await serveRecorded();
  document = JSON.parse((await served.app.inject("/openapi.json")).body) as Document;
  const by = { name: "other", via: "api" as const };
  ({ id } = await createRecovery(served.store, systemClock, {
    command: "undo",
    args: ["shop.orders", `--key=${planted}-6`],
    by,
  }));
});

afterAll(() => served.close());

test("it is sound OpenAPI, and each operation has a name of its own", async () => {
  const { valid, errors } = await new Validator().validate({ ...structuredClone(document) });
  expect([valid, errors]).toEqual([true, undefined]);
  expect(document.openapi).toMatch(/^3\.1\./);
  const operations = Object.values(document.paths).flatMap((of) => Object.values(of));
  expect(operations).toHaveLength(allRoutes.length);
  expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(operations.length);
  const broken = structuredClone(document);
  broken.paths["/v1/status"]!["get"]!.responses = {};
  (broken as { info?: unknown }).info = undefined;
  expect((await new Validator().validate({ ...broken })).valid).toBe(false);
});

/** Values that mean something here, by the names of what they are given for. */
const meant = (): Record<string, unknown[]> => ({
  table: ["shop.orders", "shop.none"],
  key: [`${planted}-1`, "42", "{}", "-k"],
  id: [id],
  number: [1, 3],
  from: [served.before, "10m ago", "-1"],
  to: [served.cut, "now"],
  at: [served.before, "now", "before:x"],
  args: [["shop.orders", "--from=10m ago"], ["--latest"], ["--at=now", "--table=shop.orders"]],
});

/** Values that fit a schema; of those that mean something here, often. */
function fitting(name: string, schema: JsonSchema): fc.Arbitrary<unknown> {
  const known = (meant()[name] ?? []).map((value) => fc.constant(value));
  return fc.oneof(...known, ofSchema(schema));
}

function ofSchema(schema: JsonSchema): fc.Arbitrary<unknown> {
  if (schema.enum) return fc.constantFrom(...schema.enum);
  switch (schema.type ?? "") {
    case "string":
      return textOf(schema);
    case "boolean":
      return fc.boolean();
    case "integer":
      return fc.integer({ min: schema.minimum!, max: schema.maximum! });
    case "array":
      return fc.array(ofSchema(schema.items!), { maxLength: 4 });
    case "object": {
      const { properties = {}, required = [] } = schema;
      const entries = Object.entries(properties).map(([name, of]) => [name, fitting(name, of)]);
      return fc.record(Object.fromEntries(entries) as Record<string, fc.Arbitrary<unknown>>, {
        requiredKeys: required,
      });
    }
    default:
      throw new Error(`no values for ${JSON.stringify(schema)}`);
  }
}

function textOf({ pattern, minLength = 0, maxLength = 50 }: JsonSchema): fc.Arbitrary<string> {
  if (pattern === undefined || pattern.includes("\\P")) {
    return fc.string({ minLength, maxLength: Math.min(maxLength, 50), unit: "grapheme" });
  }
  return fc
    .stringMatching(new RegExp(pattern))
    .filter((text) => minLength <= text.length && text.length <= maxLength);
}

interface Request {
  role: Role | undefined;
  parameters: Record<string, unknown>;
  body: unknown;
}

function requestOf({ parameters = [], requestBody }: Operation): fc.Arbitrary<Request> {
  const given = fc.record(
    Object.fromEntries(parameters.map(({ name, schema }) => [name, fitting(name, schema)])),
    { requiredKeys: parameters.filter(({ required }) => required).map(({ name }) => name) },
  );
  const body = requestBody
    ? fc.oneof(
        { weight: 4, arbitrary: ofSchema(requestBody.content["application/json"].schema) },
        fc.jsonValue(),
      )
    : fc.constant(undefined);
  const role = fc.option(fc.constantFrom(...roles), { nil: undefined, freq: 8 });
  return fc.record({ role, parameters: given as fc.Arbitrary<Record<string, unknown>>, body });
}

/** One that is not refused. */
function good({ parameters = [] }: Operation): Request {
  const needed = parameters.filter(({ required, name }) => required || name === "from");
  const given = needed.map(({ name }) => [name, meant()[name]![0]]);
  return {
    role: "admin",
    parameters: Object.fromEntries(given) as object as Record<string, unknown>,
    body: undefined,
  };
}

async function send(method: string, path: string, operation: Operation, request: Request) {
  const query = new URLSearchParams();
  const headers: Record<string, string> = {};
  let url = path;
  for (const { name, in: where } of operation.parameters ?? []) {
    const value = request.parameters[name] as string | undefined;
    if (value === undefined) continue;
    if (where === "path") url = url.replace(`{${name}}`, encodeURIComponent(value));
    else if (where === "query") query.set(name, value);
    else headers[name] = value;
  }
  if (request.role) headers["authorization"] = `Bearer ${served.tokens[request.role]}`;
  if (request.body !== undefined) headers["content-type"] = "application/json";
  return served.app.inject({
    method: method.toUpperCase() as "GET",
    url: query.size > 0 ? `${url}?${query.toString()}` : url,
    headers,
    ...(request.body === undefined ? {} : { payload: JSON.stringify(request.body) }),
  });
}

const ajv = new Ajv2020({ strict: false, allErrors: false });
const validators = new Map<object, ValidateFunction>();

function expectFits(schema: object, body: unknown, what: string): void {
  const fits = validators.get(schema) ?? ajv.compile(schema);
  validators.set(schema, fits);
  expect(fits(body), `${what}: ${ajv.errorsText(fits.errors)}`).toBe(true);
}

describe.each(
  allRoutes.filter(({ isStream }) => !isStream).map(({ method, path }) => ({ method, path })),
)("$method $path", ({ method, path }) => {
  test("is answered as described, whoever asks", async () => {
    const operation = document.paths[path]![method.toLowerCase()]!;
    const statuses = new Set<number>();
    await fc.assert(
      fc.asyncProperty(requestOf(operation), async (request) => {
        const { statusCode: status, headers, body } = await send(method, path, operation, request);
        statuses.add(status);
        expect(served.defects).toEqual([]);
        expect(status).not.toBe(500);
        const type = String(headers["content-type"]).split(";")[0]!;
        const answers = operation.responses[status] ?? operation.responses["default"]!;
        const { schema } = answers.content![type]!;
        const ofProblem = type === "application/problem+json";
        const said = JSON.parse(body) as { status: number };
        expectFits(ofProblem ? document.components.schemas.Problem : schema, said, `${status}`);
        if (ofProblem) expect(said.status).toBe(status);
        if (request.role === "viewer" && !JSON.stringify(request).includes(planted)) {
          expect(body).not.toContain(planted);
        }
      }),
      { numRuns: 10, seed: 20261128, examples: method === "GET" ? [[good(operation)]] : [] },
    );
    // Not all of them were refused.
    if (method === "GET") expect([...statuses]).toContain(200);
  });
});
