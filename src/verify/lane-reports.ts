import type { VerifyReport } from "./verify.js";

/**
 * The reports of all lanes, with the pins that are lost in the first one. Each lane reports every pin by what it holds
 * itself; a table that is lost there may be in another lane.
 */
export function withPinsOfAll(reports: VerifyReport[]): VerifyReport[] {
  const [first, ...others] = reports;
  if (!first || others.length === 0) return reports;
  const isLostIn = ({ lostPins }: VerifyReport, pin: string, table: string) =>
    lostPins.some(
      ({ name, losses }) => name === pin && losses.some((loss) => loss.table === table),
    );
  const lostPins = first.lostPins
    .map((pin) => {
      const losses = pin.losses.filter(({ table }) =>
        others.every((of) => isLostIn(of, pin.name, table)),
      );
      return { ...pin, losses };
    })
    .filter(({ losses }) => losses.length > 0);
  return [{ ...first, lostPins }, ...others.map((report) => ({ ...report, lostPins: [] }))];
}
