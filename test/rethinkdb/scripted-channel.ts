import type { Channel } from "../../src/rethinkdb/channel.js";

/** A frame of the wire protocol: u64 token, u32 length, body. */
export function frameOf(token: number, body: Buffer): Buffer {
  const header = Buffer.alloc(12);
  header.writeBigUInt64LE(BigInt(token), 0);
  header.writeUInt32LE(body.length, 8);
  return Buffer.concat([header, body]);
}

/** A query as it was sent: `[1, term, options]`, `[2]`, … */
export interface SentQuery {
  token: number;
  query: [number, unknown?, object?];
}

/** A channel whose far end is a function: what it is sent, and how it answers. */
export function scriptedChannel(
  onQuery: (sent: SentQuery, answer: (response: object) => void) => void,
): Channel {
  let deliver: (bytes: Buffer) => void = () => undefined;
  let tellClosed: (error: Error) => void = () => undefined;
  return {
    write: (bytes) => {
      const token = Number(bytes.readBigUInt64LE(0));
      const query = JSON.parse(bytes.toString("utf8", 12)) as SentQuery["query"];
      const answer = (response: object) =>
        setImmediate(() => deliver(frameOf(token, Buffer.from(JSON.stringify(response)))));
      onQuery({ token, query }, answer);
    },
    onData: (listener) => {
      deliver = listener;
    },
    onClose: (listener) => {
      tellClosed = listener;
    },
    destroy: () => tellClosed(new Error("the channel was destroyed")),
  };
}
