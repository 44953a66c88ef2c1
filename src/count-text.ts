/** A count with commas between thousands. Done by hand, because the data of a locale take 50 ms to load. */
export function formatCount(count: number): string {
  return String(Math.round(count)).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** `1 table`, `1,000 tables`. @param one the noun @param many its plural, if it is not the noun with an s */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}
