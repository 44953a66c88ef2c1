import { Title } from "../parts/bits.js";

export function RecoveryPage({ id }: { id: string }) {
  return <Title>Recovery {id}</Title>;
}
