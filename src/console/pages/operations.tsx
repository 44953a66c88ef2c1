import { Title } from "../parts/bits.js";

export function Operations({ section }: { section?: string | undefined }) {
  return <Title>Operations {section}</Title>;
}
