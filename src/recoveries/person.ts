/**
 * Whether two names are of one person.
 *
 * Invariant: whoever requests a recovery is never taken for a second person. A name comes from an account of a machine
 * or from a token, and one person may be "Anna" here and "anna" there. So in doubt two names are one person: then a
 * third has to approve. Taken for two, one person would approve what they have requested.
 */
/** Of an actor, or of a token. */
interface Named {
  name: string;
}

export const isSamePerson = (a: Named, b: Named): boolean => folded(a.name) === folded(b.name);

/** Characters that nobody sees, such as a joiner of width 0. */
const unseen = /\p{Default_Ignorable_Code_Point}/gu;

/**
 * A name without what makes no other person: case, how its characters are composed, and what is not seen. This is
 * NFKC_Casefold of the Unicode Standard (3.13), where upper case and then lower case stand for its case folding.
 */
function folded(name: string): string {
  const plain = name.normalize("NFKC").replace(unseen, "").trim();
  return plain.toUpperCase().toLowerCase().normalize("NFKC");
}
