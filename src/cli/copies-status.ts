import type { Amount } from "../copies/copy.js";
import { type Lag, lagsOf } from "../copies/lag.js";
import { formatDuration } from "../instant.js";
import { impatient } from "../storage/retrying-store.js";
import { storeAt } from "../storage/store-at.js";
import type { Repos } from "./copies-at.js";
import {
  formatBytes,
  formatCount,
  formatOptionalInstant,
  formatTable,
  isoOrNull,
} from "./output.js";

/** What status says of each copy, if several are given. */
export async function copiesStatus(given: Repos): Promise<{ text: string; result: object[] }> {
  const repos = [given].flat() as string[];
  if (repos.length < 2) return { text: "", result: [] };
  const stores = repos.map((repo) => storeAt(repo, impatient));
  const lags = await lagsOf(stores);
  const rows = lags.map((lag, i) => [stores[i]!.location, ...cellsOf(lag)]);
  return {
    text: formatTable(["copy", "log until", "behind", "missing", "stored"], rows),
    result: lags.map((lag, i) => ({ location: stores[i]!.location, ...resultOf(lag) })),
  };
}

function cellsOf(lag: Lag | Error): string[] {
  if (lag instanceof Error) return [`UNAVAILABLE: ${lag.message}`, "-", "-", "-"];
  const { missing, stored, logTo } = lag;
  const lacks = missing && (missing.objects === 0 ? "-" : amountText(missing));
  return [formatOptionalInstant(logTo), behindText(lag), lacks ?? "unknown", amountText(stored)];
}

function behindText({ logTo, behindMs }: Lag): string {
  if (behindMs === undefined) return "unknown";
  if (behindMs === 0) return "-";
  return logTo === undefined ? "all" : formatDuration(behindMs);
}

const amountText = ({ objects, bytes }: Amount) =>
  `${formatCount(objects)} objects, ${formatBytes(bytes)}`;

function resultOf(lag: Lag | Error): object {
  if (lag instanceof Error) return { error: lag.message };
  const { missing = null, stored, logTo, behindMs = null } = lag;
  const isNone = logTo === undefined && behindMs !== 0;
  return { logTo: isoOrNull(logTo), behindMs: isNone ? null : behindMs, missing, stored };
}
