/** The console: a page and its scripts, which a browser gets from this server and then asks the API. */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { takesGzip } from "./compressed.js";

/** A file as it is sent. */
interface ConsoleFile {
  type: string;
  plain: Buffer;
  zipped: Buffer;
  tag: string;
  /** Its name changes with its content, so a browser never asks twice. */
  isLasting: boolean;
}

/** By path, such as "assets/main-1a2b.js". */
export type ConsoleFiles = ReadonlyMap<string, ConsoleFile>;

const types: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

/** Where the build puts the console; the same seen from the sources and from what is built of them. */
const built = fileURLToPath(new URL("../../dist/console/", import.meta.url));

/** Reads the files of the console, some hundred kB; none if it was not built. */
export async function readConsole(directory: string = built): Promise<ConsoleFiles> {
  const files = new Map<string, ConsoleFile>();
  const names = await readdir(directory, { recursive: true }).catch(() => []);
  for (const name of names) {
    const type = types[extname(name)];
    if (type === undefined) continue;
    const plain = await readFile(join(directory, name));
    const tag = `"${createHash("sha256").update(plain).digest("base64url").slice(0, 22)}"`;
    const zipped = gzipSync(plain, { level: 9 });
    const path = name.replaceAll("\\", "/");
    files.set(path, { type, plain, zipped, tag, isLasting: path.startsWith("assets/") });
  }
  return files;
}

/**
 * What a page of the console may do: run its own scripts, ask this server, and nothing else. So a text out of a
 * document that was taken for markup could neither run nor send anything.
 */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join("; ");

const headers = {
  "content-security-policy": policy,
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=(), usb=()",
  "x-frame-options": "DENY",
};

/** Places of the console: the page is the same in all of them, and its script shows what the path says. */
const places = /^\/(?:(?:happened|compare|tables|recover|recoveries|operations)(?:\/.*)?)?$/;

/** Serves the console. It needs no token: whatever it shows, it asks for with the token of whoever has signed in. */
export function serveConsole(app: FastifyInstance, files: ConsoleFiles): void {
  const page = files.get("index.html");
  if (!page) return;
  const send = (file: ConsoleFile) => (request: FastifyRequest, reply: FastifyReply) => {
    void reply.headers({ ...headers, etag: file.tag, vary: "accept-encoding" });
    void reply.header("cache-control", file.isLasting ? "max-age=31536000, immutable" : "no-cache");
    if (request.headers["if-none-match"] === file.tag) return reply.status(304).send();
    if (!takesGzip(request)) {
      return reply.type(file.type).send(file.plain);
    }
    return reply.type(file.type).header("content-encoding", "gzip").send(file.zipped);
  };
  for (const [path, file] of files) {
    if (file !== page) app.get(`/${path}`, send(file));
  }
  const sendPage = send(page);
  app.get("/*", (request, reply) => {
    if (places.test(request.url.split("?", 1)[0]!)) return sendPage(request, reply);
    return reply.callNotFound();
  });
}
