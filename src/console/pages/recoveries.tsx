import { Title } from "../parts/bits.js";

export function Recoveries() {
  return <Title>Recoveries</Title>;
}
