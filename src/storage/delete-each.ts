/** At most so many requests to delete an object are under way: more of them would be slowed down by the store. */
const atOnce = 16;

/**
 * Deletes objects one by one, some at a time. When it rejects, with the first error, no request is under way any more.
 */
export async function deleteEach(
  names: readonly string[],
  deleteOne: (name: string) => Promise<void>,
): Promise<void> {
  const left = names.values();
  const failures: unknown[] = [];
  const work = async () => {
    for (const name of left) {
      if (failures.length > 0) return;
      await deleteOne(name).catch((error: unknown) => failures.push(error));
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, names.length) }, work));
  if (failures.length > 0) throw failures[0];
}
