/** What a recovery does, in words that stand on buttons and above plans. */
import type { ChangePlan, Estimate, Plan, PromotePlan, RestorePlan } from "./recovery-read.js";

const countText = (count: number) => count.toLocaleString("en-US");
const counted = (count: number, one: string) =>
  `${countText(count)} ${count === 1 ? one : `${one}s`}`;

/** 40 s, 2 min, 1.5 h. */
export function secondsText(seconds: number): string {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

/** $0.02; less than a cent is said to be that. Null: nobody has told the prices. */
export function priceText(cost: Estimate["cost"]): string | undefined {
  if (cost === null) return undefined;
  const { currency, total } = cost;
  const amount = (value: string) => (currency === "USD" ? `$${value}` : `${value} ${currency}`);
  if (total > 0 && total < 0.01) return `less than ${amount("0.01")}`;
  return amount(total.toFixed(2));
}

/** "bring back 412 documents", "change 10, delete 3 and bring back 412 documents". */
export function changesText({
  changed,
  deleted,
  broughtBack,
}: Pick<ChangePlan, "changed" | "deleted" | "broughtBack">): string {
  const parts = [
    { verb: "change", count: changed },
    { verb: "delete", count: deleted },
    { verb: "bring back", count: broughtBack },
  ].filter(({ count }) => count > 0);
  if (parts.length === 0) return "change nothing";
  const texts = parts.map(({ verb, count }, i) => {
    const isLast = i === parts.length - 1;
    return `${verb} ${isLast ? counted(count, "document") : countText(count)}`;
  });
  const last = texts.pop()!;
  return texts.length === 0 ? last : `${texts.join(", ")} and ${last}`;
}

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

const joined = (parts: (string | undefined)[]) =>
  parts.filter((part) => part !== undefined).join(", ");

/** All that the button does. Undefined if there is nothing to do. */
export function buttonText(plan: Plan, command: string, isPart: boolean): string | undefined {
  switch (plan.is) {
    case "change":
      return changeButton(plan.plan);
    case "restore":
      return restoreButton(plan.plan, isPart);
    case "promote":
      return promoteButton(plan.plan);
    case "none":
    case "other":
      return `Carry out this ${command}`;
  }
}

function changeButton(plan: ChangePlan): string | undefined {
  if (plan.documents === 0) return undefined;
  const { estimate } = plan;
  const time = estimate && `about ${secondsText(estimate.seconds)}`;
  const price = estimate && priceText(estimate.cost);
  return capital(joined([changesText(plan), time, price]));
}

/** How many documents a restore writes is not known before: as many as the base has, and what the log adds or takes. */
function restoreButton({ tables, estimatedSeconds }: RestorePlan, isPart: boolean): string {
  const documents = tables.reduce((sum, { baseDocuments }) => sum + baseDocuments, 0);
  const [first] = tables;
  const what = tables.length === 1 && first ? first.from : counted(tables.length, "table");
  const seconds = estimatedSeconds ?? undefined;
  const time = seconds === undefined ? undefined : `about ${secondsText(seconds)}`;
  if (isPart) return joined([`Restore the chosen documents of ${what}`, time]);
  return joined([`Restore ${what}, ${counted(documents, "document")} in its base`, time]);
}

const promoteButton = ({ live, promoted }: PromotePlan) => `Make ${promoted} the live ${live}`;

/**
 * What has to be typed before live data are overwritten: the table's name, or the names of the databases of several;
 * undefined if nothing that is live is overwritten.
 */
export function nameToType(plan: Plan): string | undefined {
  if (plan.is === "promote") return plan.plan.live;
  if (plan.is !== "change") return undefined;
  const names = plan.plan.tables.map(({ table }) => table);
  if (names.length === 1) return names[0];
  const databases = [...new Set(names.map((name) => name.split(".")[0]!))];
  return databases.length > 0 && databases.length <= 3
    ? databases.join(" ")
    : counted(names.length, "table");
}

/** True if only some documents are asked for. */
export const isPartial = (args: readonly string[]): boolean =>
  args.some((word) => /^--(key|between|where)=/.test(word));
