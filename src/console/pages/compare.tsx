import { Title } from "../parts/bits.js";

export function Compare() {
  return <Title>Live beside then</Title>;
}
