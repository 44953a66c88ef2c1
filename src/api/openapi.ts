/**
 * The description of the API for programs, made of its routes. OpenAPI 3.1: of 3.2, which can describe the events of a
 * stream, few tools know. See docs/decisions/0056.
 */
import { toJsonSchema } from "@valibot/to-json-schema";
import type * as v from "valibot";
import { problemSchema } from "./problem.js";
import { rolesWith } from "./rights.js";
import type { Route, Shape } from "./route.js";

export function openApi(routes: readonly Route[], version: string): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) {
    paths[route.path] ??= {};
    paths[route.path]![route.method.toLowerCase()] = operation(route);
  }
  return {
    openapi: "3.1.1",
    info: {
      title: "Thinkback",
      version,
      description: "Continuous backup and point-in-time recovery for RethinkDB",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "/" }],
    security: [{ token: [] }],
    paths,
    components: {
      securitySchemes: {
        token: {
          type: "http",
          scheme: "bearer",
          description: "as `thinkback token create` prints it",
        },
      },
      schemas: { Problem: schemaOf(problemSchema) },
    },
  };
}

function operation(route: Route): object {
  const { method, path, summary, right, body, answers, headers = {}, isStream } = route;
  const words = path.split("/").filter((part) => /^[a-z]+$/.test(part));
  const ends = path.endsWith("}") ? ["one"] : [];
  const operationId = [method.toLowerCase(), ...words, ...ends].join("-");
  const type = isStream ? "text/event-stream" : "application/json";
  const ofAnswers = Object.entries(answers).map(([status, schema]): [string, object] => [
    status,
    { description: "as asked", content: { [type]: { schema: schemaOf(schema) } } },
  ]);
  const parameters = [
    ...parametersIn("path", route.params),
    ...parametersIn("query", route.query),
    ...Object.entries(headers).map(([name, description]) => ({
      name,
      in: "header",
      required: true,
      description,
      schema: { type: "string", minLength: 1, maxLength: 200, pattern: "^[!-~]+$" },
    })),
  ];
  return {
    operationId,
    summary,
    description: `For the role ${rolesWith(right)}.`,
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(body
      ? {
          requestBody: {
            required: true,
            content: { "application/json": { schema: schemaOf(body) } },
          },
        }
      : {}),
    responses: {
      ...Object.fromEntries(ofAnswers),
      ...(isStream ? { 204: { description: "nothing more will happen: do not ask again" } } : {}),
      default: {
        description: "an error",
        content: {
          "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } },
        },
      },
    },
  };
}

interface ObjectSchema {
  properties?: Record<string, object>;
  required?: string[];
}

function parametersIn(where: "path" | "query", shape: Shape | undefined): object[] {
  if (!shape) return [];
  const { properties = {}, required = [] } = schemaOf(shape) as ObjectSchema;
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    in: where,
    required: required.includes(name),
    schema,
  }));
}

function schemaOf(schema: v.GenericSchema): object {
  const { $schema: _, ...rest } = toJsonSchema(schema, { errorMode: "ignore" });
  return rest;
}
