import { Title } from "../parts/bits.js";

export function Happened() {
  return <Title>What happened?</Title>;
}
