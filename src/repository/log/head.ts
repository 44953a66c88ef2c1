/**
 * The head of the log: its last segment, by number and checksum. Nothing in a repository tells that its end was cut
 * off; who remembers a head elsewhere can tell.
 */
import { ThinkbackError } from "../../errors.js";
import type { KeysHead } from "../../sealing/keys-head.js";
import { openSegment } from "./log.js";
import type { LogView } from "./log-view.js";
import { byPlaceInLog } from "./places.js";

/** The last segment of one lane's log. */
export interface Head {
  lane: number;
  epoch: number;
  sequence: number;
  /** Of the segment's trailer, hexadecimal. */
  checksum: string;
}

/** The head of a log; undefined if nothing was captured. */
export async function headOf(log: LogView, lane: number): Promise<Head | undefined> {
  const last = log.pieces.at(-1);
  if (!last) return undefined;
  const checksum =
    last.kind === "folded"
      ? last.manifest.lastSegment.checksum
      : (await openSegment(log.store, last.name)).checksum;
  const { epoch, sequence } = last.last;
  return { lane, epoch, sequence, checksum };
}

/** What is remembered of a repository: the heads of its lanes' logs and, of a sealed one, that of its key sets. */
export interface RememberedHeads {
  logs: readonly Head[];
  keys: KeysHead | undefined;
}

/** As it is printed, and given again: one word. */
export function formatHeads({ logs, keys }: RememberedHeads): string {
  const heads = logs.map(
    ({ lane, epoch, sequence, checksum }) => `${lane}/${epoch}.${sequence}/${checksum}`,
  );
  return [...heads, ...(keys ? [`keys/${keys.number}/${keys.checksum}`] : [])].join(",");
}

/** Throws, with code "usage", if the text is not what `formatHeads` prints. */
export function parseHeads(text: string): RememberedHeads {
  const logs: Head[] = [];
  let keys: KeysHead | undefined;
  for (const one of text.split(",").map((word) => word.trim())) {
    const ofLog = /^(\d+)\/(\d+)\.(\d+)\/([0-9a-f]{64})$/.exec(one);
    const ofKeys = /^keys\/(\d{1,10})\/([0-9a-f]{64})$/.exec(one);
    if (ofLog) {
      const [lane, epoch, sequence] = ofLog.slice(1, 4).map(Number) as [number, number, number];
      logs.push({ lane, epoch, sequence, checksum: ofLog[4]! });
    } else if (ofKeys && !keys) {
      keys = { number: Number(ofKeys[1]), checksum: ofKeys[2]! };
    } else {
      throw new ThinkbackError("usage", `"${text}" is not a head of the log`, {
        hint: "give what `thinkback status` prints as the head",
      });
    }
  }
  return { logs, keys };
}

/** Throws, with code "damaged", unless the log has this head, or goes on after it. */
export async function expectHead(log: LogView, head: Head): Promise<void> {
  const reaching = log.pieces.find(({ last }) => byPlaceInLog(last, head) >= 0);
  if (!reaching) throw lost(head, "the log ends before it: its end was cut off, or is on its way");
  // What lies before the first piece was expired; and a folded segment, which names its end, stands for all before it.
  if (byPlaceInLog(reaching.first, head) > 0) return;
  if (reaching.kind === "folded") {
    const { lastSegment } = reaching.manifest;
    const isEnd = byPlaceInLog(reaching.last, head) === 0;
    if (isEnd && lastSegment.checksum !== head.checksum) throw lost(head, "another one is there");
    return;
  }
  if ((await openSegment(log.store, reaching.name)).checksum !== head.checksum) {
    throw lost(head, "another segment is in its place");
  }
}

function lost({ lane, epoch, sequence }: Head, why: string): ThinkbackError {
  const of = lane === 0 ? "" : ` of lane ${lane}`;
  return new ThinkbackError(
    "damaged",
    `the log${of} does not have the head that is expected, segment ${sequence} of epoch ${epoch}: ${why}`,
    {
      hint: "restore from another copy of the repository; or leave out --expect-head to take what is there",
    },
  );
}
