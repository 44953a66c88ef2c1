import { Title } from "../parts/bits.js";

export function TablePage({ table }: { table: string }) {
  return <Title>{table}</Title>;
}
