/** Where the objects of a location lie, however it is written: to tell whether two locations share a place. */
import { resolve } from "node:path";
import { systemClock, withTimeout } from "../clock.js";
import { isWithin, realPathOf } from "./real-path.js";

/** How long a directory is waited for. */
const answerMsMax = 5000;

export interface Place {
  /** What holds it: a bucket of a service, or the file system. */
  holder: string;
  /** Its path in there. */
  path: string;
}

/** The place in a bucket. @param service the address of the service, or a name for it */
export function placeInBucket(
  kind: string,
  service: string | undefined,
  { bucket, prefix }: { bucket: string; prefix: string },
): Place {
  const host = service && URL.canParse(service) ? hostOf(new URL(service)) : service;
  return { holder: `${kind}://${host ?? ""}/${bucket}`, path: `/${prefix}` };
}

const hostOf = ({ host, pathname }: URL) => `${host}${pathname}`.replace(/\/+$/, "");

/** A disk that hangs holds nobody up: then the path counts as it is written. */
export async function placeOfDirectory(path: string): Promise<Place> {
  const hangs = new Error(`${path} does not answer`);
  const real = withTimeout(systemClock, answerMsMax, realPathOf(path), () => hangs);
  return { holder: "file:", path: await real.catch(() => resolve(path)) };
}

/** True if the second place is the first one, or lies in it. */
export function liesIn(outer: Place, inner: Place): boolean {
  return outer.holder === inner.holder && isWithin(outer.path, inner.path);
}
