/** Which repositories and copies a capture does not begin with. */
import { expect, test } from "vitest";
import { refuseApart } from "../../src/copies/start-together.js";
import { encodeJsonObject } from "../../src/format/json-object.js";
import { repositoryName, writerName } from "../../src/format/names.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import { type ObjectStore, StoreUnavailable } from "../../src/storage/object-store.js";
import { StoreLayer } from "../../src/storage/store-layer.js";
import { patient } from "../repository/month.js";
import { copyOf, Recording, StillClock } from "../repository/recording.js";

async function repositoryOf(id = "00000000-0000-4000-8000-0000000000ff") {
  const store = new MemoryStore();
  const description = { id, created: 0 };
  await store.put(repositoryName, encodeJsonObject("repository", description));
  await (await Recording.begin({ store, description }, new StillClock())).tick();
  return store;
}

class Hanging extends StoreLayer {
  override get = () => new Promise<Buffer>(() => undefined);
}

class Away extends StoreLayer {
  override get = () => Promise.reject(new StoreUnavailable("away"));
}

/** Of a store that hangs, time passes at once. */
const hurried = {
  ...patient(new StillClock()),
  now: () => 0,
  monotonicMs: () => 0,
  sleep: async () => new Promise<void>((resolve) => setTimeout(resolve, 20)),
};

const refuse = (repository: ObjectStore, ...copies: ObjectStore[]) =>
  refuseApart(repository, copies, hurried);

test("a copy beside an empty place is refused, and named with the ways out", async () => {
  const empty = new MemoryStore();
  await expect(refuse(empty, new MemoryStore(), await repositoryOf())).rejects.toMatchObject({
    code: "repository",
    message: expect.stringMatching(/holds no repository, but .* holds one/),
    hint: expect.stringMatching(/mount the disk of .*thinkback copy --from .* leave out /),
  });
  await refuse(empty, new MemoryStore());
});

test("a copy of another repository is refused, or of the same one that was captured into", async () => {
  const repository = await repositoryOf();
  const other = await repositoryOf("00000000-0000-4000-8000-0000000000aa");
  await expect(refuse(repository, other)).rejects.toThrow(/holds another repository, .*aa; .*ff$/);
  const copy = await copyOf(repository);
  await refuse(repository, copy);
  await copy.put(writerName(2), Buffer.from("the claim of another process"));
  await expect(refuse(repository, copy)).rejects.toMatchObject({
    message: expect.stringMatching(/has been written to since/),
    hint: expect.stringMatching(/thinkback copy --from/),
  });
  await repository.put(writerName(2), Buffer.from("the claim of a process here"));
  await expect(refuse(repository, copy)).rejects.toThrow(/have parted/);
});

test("a copy that is away, hangs, lags, is damaged or is yet to be made holds nobody up", async () => {
  const repository = await repositoryOf();
  const lagging = await copyOf(repository, { [writerName(1)]: undefined });
  const damaged = await copyOf(repository, { [repositoryName]: Buffer.from("{") });
  const away = new Away(await repositoryOf("00000000-0000-4000-8000-0000000000aa"));
  const hanging = new Hanging(new MemoryStore());
  const none = new MemoryStore();
  const absent = await refuse(repository, away, hanging, lagging, damaged, none);
  expect(absent).toEqual([away, hanging, damaged, none]);
  // What is wrong with the repository itself is said by whoever opens it.
  await refuse(away, repository);
});
