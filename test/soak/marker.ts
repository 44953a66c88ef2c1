/**
 * How long a write takes until it is durable in the repository: a document is written to a table of its own, and the log's
 * directory is watched for the first segment that holds a line of that table. The time counts from before the write is
 * sent until the segment's name is seen, so it holds the server's answer and whatever this process is late.
 */
import type { FSWatcher } from "node:fs";
import { openSegment } from "../../src/repository/log/log.js";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import { type DriverConnection, r } from "../server/driver.js";
import { db } from "./load.js";
import { watchNewSegments } from "./new-segments.js";

const table = "marker";

/** After that a marker is given up, and counted. */
const limitMs = 60_000;

export class Marker {
  lost = 0;
  private readonly store: DirectoryStore;
  private number = 0;
  private watcher: FSWatcher | undefined;
  private seen: (segment: string, at: number) => void = () => undefined;

  private constructor(
    private readonly repo: string,
    private readonly connection: DriverConnection,
    private readonly id: string,
  ) {
    this.store = new DirectoryStore(repo);
  }

  static async make(connection: DriverConnection, repo: string): Promise<Marker> {
    await r.db(db).tableCreate(table).run(connection);
    const id = (await r.db(db).table(table).info()("id").run(connection)) as string;
    return new Marker(repo, connection, id);
  }

  /** @param epoch of the one capture whose segments are looked at */
  watch(epoch: number): void {
    this.watcher = watchNewSegments(this.repo, epoch, (name, at) => this.seen(name, at));
  }

  /** Milliseconds from before the write until a segment holds it; undefined if none has within a minute. */
  async measure(): Promise<number | undefined> {
    const segments: { name: string; at: number }[] = [];
    let wake: () => void = () => undefined;
    this.seen = (name, at) => {
      segments.push({ name, at });
      wake();
    };
    const timer = setTimeout(() => wake(), limitMs);
    const sent = performance.now();
    this.number += 1;
    const document = { id: "marker", number: this.number };
    await r.db(db).table(table).insert(document, { conflict: "replace" }).run(this.connection);
    try {
      while (performance.now() - sent < limitMs) {
        const segment = segments.shift();
        if (!segment) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        } else if (await this.holdsMarker(segment.name)) return segment.at - sent;
      }
      this.lost += 1;
      return undefined;
    } finally {
      clearTimeout(timer);
      this.seen = () => undefined;
    }
  }

  close(): void {
    this.watcher?.close();
  }

  /** Only one marker is under way at a time, so any line of the table is it. */
  private async holdsMarker(name: string): Promise<boolean> {
    const segment = await openSegment(this.store, name);
    return segment.index.frames.some((frame) => frame.table === this.id);
  }
}
