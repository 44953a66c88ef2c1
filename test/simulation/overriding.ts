/** The object with some methods in place of its own: how tests plant faults and bugs without a flag in the code. */
export function overriding<T extends object>(of: T, methods: Partial<T>): T {
  return new Proxy(of, {
    get: (target, property) => {
      const value: unknown = Reflect.get(property in methods ? methods : target, property);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}
