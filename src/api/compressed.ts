/** Sends what is large compressed, to whoever takes that. */
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { FastifyReply, FastifyRequest } from "fastify";

/** Smaller bodies go in a few packets anyway. */
const compressedBytesMin = 4096;

const zip = promisify(gzip);

export const takesGzip = ({ headers }: Pick<FastifyRequest, "headers">): boolean =>
  /\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))/i.test(headers["accept-encoding"] ?? "");

/**
 * The bytes as they are sent; sets the headers that say so. An answer repeats nothing of what another site could have
 * made a browser send, since no browser sends a token by itself: so its length tells such a site nothing.
 */
export async function compressed(
  bytes: Buffer,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<Buffer> {
  if (bytes.length < compressedBytesMin) return bytes;
  void reply.header("vary", "accept-encoding");
  if (!takesGzip(request)) return bytes;
  void reply.header("content-encoding", "gzip");
  return zip(bytes);
}
