import { request as requestHttp } from "node:http";
import { type Agent, request as requestHttps } from "node:https";
import { heard } from "../progress.js";

export interface Outgoing {
  url: string;
  method: string;
  headers: Record<string, string>;
  body: Buffer | undefined;
  /** The way through a proxy. If absent, Node's own agent keeps connections for the next request. */
  agent: Agent | undefined;
  signal: AbortSignal | undefined;
}

export interface Incoming {
  status: number;
  /** By names in lower case. */
  headers: Record<string, string>;
  body: Buffer;
}

/**
 * Sends one request and reads its whole response. Rejects if the connection ends before the response does, which the
 * `fetch` of Google's client waits for without end (node-fetch 2.7). No redirection is followed.
 */
export function oneRequest(outgoing: Outgoing): Promise<Incoming> {
  const { url, method, headers, body, agent, signal } = outgoing;
  const begin = url.startsWith("https:") ? requestHttps : requestHttp;
  return new Promise((resolve, reject) => {
    const options = { method, headers, ...(agent ? { agent } : {}), ...(signal ? { signal } : {}) };
    const request = begin(url, options, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => {
        heard(signal);
        chunks.push(chunk);
      });
      response.on("error", reject);
      response.on("end", () => {
        const lines = Object.entries(response.headers).map(
          ([name, value]) => [name, String(value)] as const,
        );
        resolve({
          status: response.statusCode ?? 0,
          headers: Object.fromEntries(lines),
          body: Buffer.concat(chunks),
        });
      });
    });
    request.on("error", reject);
    if (body) request.setHeader("content-length", body.length);
    request.end(body);
  });
}
