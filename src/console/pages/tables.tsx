import { Title } from "../parts/bits.js";

export function Tables() {
  return <Title>Tables</Title>;
}
