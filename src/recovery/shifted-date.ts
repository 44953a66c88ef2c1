/** Moves a date by a time, and leaves its form as it is. */
const time = /^\{"\$reql_type\$":"TIME","epoch_time":(-?[\d.e+-]+),"timezone":"[^"]*"\}$/;
const isoText =
  /^"(\d{4})-(\d{2})-(\d{2})(?:([T ])(\d{2}):(\d{2})(?::(\d{2}))?(\.\d+)?(Z|[+-]\d{2}:?\d{2})?)?"$/;

/**
 * The JSON text of a time of the server, or of a date or time as ISO 8601 has it, moved by so many ms. A date without a
 * time is moved by whole days. Undefined for anything else.
 * @param ms whole seconds, so that fractions of a second stay as they are
 */
export function shiftedDate(text: Buffer, ms: number): Buffer | undefined {
  const latin1 = text.toString("latin1");
  const epoch = time.exec(latin1)?.[1];
  if (epoch !== undefined) {
    const moved = Math.round(Number(epoch) * 1000 + ms) / 1000;
    return Buffer.from(latin1.replace(`"epoch_time":${epoch}`, `"epoch_time":${moved}`), "latin1");
  }
  const [, year, month, day, between, hour = "0", minute = "0", second, fraction = "", zone = ""] =
    isoText.exec(latin1) ?? [];
  if (year === undefined) return undefined;
  const parts = [hour, minute, second ?? "0"].map(Number) as [number, number, number];
  const at = Date.UTC(Number(year), Number(month) - 1, Number(day), ...parts) + ms;
  const iso = new Date(at).toISOString();
  if (between === undefined) return Buffer.from(`"${iso.slice(0, 10)}"`);
  const clock = iso.slice(11, second === undefined ? 16 : 19);
  return Buffer.from(`"${iso.slice(0, 10)}${between}${clock}${fraction}${zone}"`);
}
