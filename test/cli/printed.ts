import type { Output } from "../../src/cli/output.js";

/** Keeps what a command prints. */
export class Printed implements Output {
  readonly json = false;
  text = "";
  results: Record<string, unknown> = {};

  paint(_: unknown, text: string): string {
    return text;
  }

  line(text: string | Buffer): void {
    this.text += `${text.toString()}\n`;
  }

  note(): void {
    // Not kept.
  }

  resultText(): void {
    // Not kept.
  }

  resultParts(): Promise<void> {
    // Not kept.
    return Promise.resolve();
  }

  result(value: object): void {
    this.results = value as Record<string, unknown>;
  }
}
