/** The clock of a process, set by libfaketime while it runs; its monotonic clock stays as it is. */
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const name = "libfaketimeMT.so.1";

export class FakeClock {
  private constructor(
    private readonly preloaded: string,
    private readonly file: string,
  ) {
    this.set("+0");
  }

  /** @param file where the offset will stand. Undefined where libfaketime is not installed. */
  static find(file: string): FakeClock | undefined {
    const library = findLibrary();
    return library === undefined ? undefined : new FakeClock(library, file);
  }

  /** For the process whose clock it is. */
  get env(): Record<string, string> {
    return {
      LD_PRELOAD: this.preloaded,
      FAKETIME_TIMESTAMP_FILE: this.file,
      FAKETIME_NO_CACHE: "1",
      DONT_FAKE_MONOTONIC: "1",
    };
  }

  /** @param offset from the machine's clock, as libfaketime takes it: `+1d`, `-90`, `+0` */
  set(offset: string): void {
    writeFileSync(this.file, `${offset}\n`);
  }
}

/** Where Debian and others put it. */
export function findLibrary(): string | undefined {
  const folders = ["/usr/lib", "/usr/lib64", "/usr/local/lib"].flatMap((folder) => {
    const below = listed(folder).map((one) => join(folder, one));
    return [folder, ...below].map((one) => join(one, "faketime"));
  });
  const found = folders.find((folder) => listed(folder).includes(name));
  return found && join(found, name);
}

function listed(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
