import { Title } from "../parts/bits.js";

export function Recover() {
  return <Title>Recover</Title>;
}
