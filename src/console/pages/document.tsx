import { Title } from "../parts/bits.js";

export function DocumentPage({ table }: { table: string }) {
  return <Title>Document of {table}</Title>;
}
