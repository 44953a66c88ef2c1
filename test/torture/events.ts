/** What happened to the cluster and to the capture, and when. */

export interface Event {
  at: number;
  what: string;
  /** The capture itself, its clock or its store is out of order from here on: it need not keep up. */
  excused: boolean;
}

export class Events {
  readonly all: Event[] = [];

  note(what: string, excused = false): void {
    this.all.push({ at: Date.now(), what, excused });
  }

  text(): string {
    return this.all.map(({ at, what }) => `${new Date(at).toISOString()} ${what}\n`).join("");
  }
}
