/** Disks of a few MiB, to fill. Only root can mount them; who cannot is told. */
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { statfs, unlink } from "node:fs/promises";
import { join } from "node:path";

export class SmallDisk {
  private fillings = 0;

  private constructor(readonly path: string) {}

  /** Undefined where nothing can be mounted. */
  static mount(path: string, bytes: number): SmallDisk | undefined {
    mkdirSync(path, { recursive: true });
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", path], {
        stdio: "pipe",
      });
    } catch (error) {
      console.warn(`SKIPPED: no disk can be mounted here: ${String(error)}`);
      return undefined;
    }
    return new SmallDisk(path);
  }

  /** Leaves no room at all. */
  async fill(): Promise<void> {
    for (;;) {
      const { bavail, bsize } = await statfs(this.path);
      if (bavail === 0) return;
      const path = this.filling(this.fillings);
      this.fillings += 1;
      try {
        writeFileSync(path, Buffer.alloc(Number(bavail) * Number(bsize)));
      } catch (error) {
        // Somebody else has taken some of the room meanwhile.
        if ((error as { code?: string }).code !== "ENOSPC") throw error;
      }
    }
  }

  /** Takes away what filled it. */
  async free(): Promise<void> {
    while (this.fillings > 0) await unlink(this.filling((this.fillings -= 1)));
  }

  /** To be called again while it throws because a file is just being written. */
  remount(how: "ro" | "rw"): void {
    execFileSync("mount", ["-o", `remount,${how}`, this.path], { stdio: "pipe" });
  }

  unmount(): void {
    execFileSync("umount", ["-l", this.path]);
    rmSync(this.path, { recursive: true });
  }

  private filling(number: number): string {
    return join(this.path, `.filling-${number}`);
  }
}
