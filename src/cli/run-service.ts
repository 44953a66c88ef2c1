/** What a process serves beside its capture. Each part begins before the capture, and ends after it. */
import type { Served, ServicePart } from "./served.js";
import { alarms } from "./service-alarms.js";
import { serveRecoveries } from "./service-recoveries.js";

const parts: readonly ServicePart[] = [serveRecoveries, alarms];

/** Begins all parts. Ends those that have begun if one cannot. */
export async function serve(served: Served): Promise<() => Promise<void>> {
  const ends: (() => Promise<void>)[] = [];
  const endAll = async () => {
    for (const end of ends.toReversed()) await end();
  };
  try {
    for (const part of parts) ends.push(await part(served));
  } catch (error) {
    await endAll();
    throw error;
  }
  return endAll;
}
