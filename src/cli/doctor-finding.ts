/** What one check found. */
export interface Finding {
  of: "store" | "source" | "machine" | "redis";
  check: string;
  /** `noted`: neither good nor bad by itself, but an operator should know it. */
  outcome: "passed" | "failed" | "noted" | "skipped";
  text: string;
  /** What to do about it. */
  hint?: string;
}
