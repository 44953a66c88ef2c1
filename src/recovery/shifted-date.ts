/** Moves a date by a time, and leaves its form as it is. */
const time = /^\{"\$reql_type\$":"TIME","epoch_time":(-?[\d.e+-]+),"timezone":"[^"]*"\}$/;
const isoText =
  /^"(\d{4})-(\d{2})-(\d{2})(?:([T ])(\d{2}):(\d{2})(?::(\d{2}))?(\.\d+)?(Z|[+-]\d{2}:?\d{2})?)?"$/;

const [minuteMs, dayMs] = [60_000, 86_400_000];

/**
 * The JSON text of a time of the server, or of a date or time as ISO 8601 has it, moved by so many ms. Undefined for
 * anything else: what is no date of the calendar, what comes to lie outside the years 0000 to 9999, and a text that
 * cannot show the move, such as a date without a time that is moved by hours.
 * @param ms whole seconds, so that fractions of a second stay as they are
 */
export function shiftedDate(text: Buffer, ms: number): Buffer | undefined {
  const latin1 = text.toString("latin1");
  const epoch = time.exec(latin1)?.[1];
  if (epoch !== undefined) {
    const moved = Math.round(Number(epoch) * 1000 + ms) / 1000;
    return Buffer.from(latin1.replace(`"epoch_time":${epoch}`, `"epoch_time":${moved}`), "latin1");
  }
  const [, year, month, day, between, hour, minute, second, fraction = "", zone = ""] =
    isoText.exec(latin1) ?? [];
  if (year === undefined) return undefined;
  const finestMs = hour === undefined ? dayMs : second === undefined ? minuteMs : 1;
  if (ms % finestMs !== 0) return undefined;
  const clock = `${hour ?? "00"}:${minute ?? "00"}:${second ?? "00"}`;
  const iso = moved(`${year}-${month}-${day}T${clock}`, ms);
  if (iso === undefined) return undefined;
  if (between === undefined) return Buffer.from(`"${iso.slice(0, 10)}"`);
  const shown = iso.slice(11, second === undefined ? 16 : 19);
  return Buffer.from(`"${iso.slice(0, 10)}${between}${shown}${fraction}${zone}"`);
}

/** A time of the calendar, to the second, after so many ms. Undefined if either is none of the years 0000 to 9999. */
function moved(iso: string, ms: number): string | undefined {
  const at = Date.parse(`${iso}Z`);
  // A day that a month does not have becomes one of the next month: then it does not print the same again.
  if (Number.isNaN(at) || !new Date(at).toISOString().startsWith(iso)) return undefined;
  const after = new Date(at + ms);
  const year = after.getUTCFullYear();
  return year >= 0 && year <= 9999 ? after.toISOString().slice(0, 19) : undefined;
}
