/** The metrics of a process that runs with `--metrics 0`. */
import { type Metric, readExposition } from "../health/exposition.js";
import type { Running } from "./cli.js";
import { until } from "./stage.js";

/** Where they are served, as the log says. */
export async function metricsUrl(running: Running): Promise<string> {
  let url: string | undefined;
  await until("the metrics are served", () => {
    url = /"url":"(http:[^"]+)","msg":"metrics are served"/.exec(running.stderr())?.[1];
    if (running.process.exitCode !== null) throw new Error(running.stderr());
    return url !== undefined;
  });
  return url!;
}

export async function textAt(url: string): Promise<string> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return response.text();
}

export const scrape = async (url: string): Promise<Map<string, Metric>> =>
  readExposition(await textAt(url));
