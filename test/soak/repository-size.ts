import { DirectoryStore } from "../../src/storage/directory-store.js";

export interface RepositorySize {
  objects: number;
  bytes: number;
  /** Of these, single segments and folded segments: the log. */
  logBytes: number;
  segments: number;
}

export async function repositorySize(repo: string): Promise<RepositorySize> {
  const size: RepositorySize = { objects: 0, bytes: 0, logBytes: 0, segments: 0 };
  for await (const { name, size: bytes } of new DirectoryStore(repo).list("")) {
    size.objects += 1;
    size.bytes += bytes;
    if (name.startsWith("log/") || name.startsWith("folded/")) size.logBytes += bytes;
    if (name.startsWith("log/")) size.segments += 1;
  }
  return size;
}
