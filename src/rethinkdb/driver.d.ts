/** The part of the official driver that Thinkback uses: building queries. It ships no types. */
declare module "rethinkdb" {
  export interface Term {
    /** The query in the wire protocol's JSON form. */
    build(): unknown;
    // Terms are built by chaining. The driver decides which methods exist.
    [method: string]: (...args: unknown[]) => Term;
  }

  const r: {
    db(name: string | Term): Term;
    table(name: string): Term;
    expr(value: unknown, nestingDepth?: number): Term;
    grant(user: string, permissions: object): Term;
    dbCreate(name: string): Term;
    dbDrop(name: string): Term;
    dbList(): Term;
    now(): Term;
    branch(...testsAndValues: unknown[]): Term;
    error(message: string): Term;
    binary(data: Buffer): Term;
    json(text: Term): Term;
    desc(field: string): Term;
    union(...sequences: Term[]): Term;
    branch(test: Term, then: Term, otherwise: unknown): Term;
    minval: Term;
    maxval: Term;
    [method: string]: unknown;
  };
  export default r;
}
