import { open } from "node:fs/promises";

/** Writes a new file. When the promise resolves, its bytes are durable on the disk, but its name may not be. */
export async function writeDurably(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, "wx", 0o640);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}
