/**
 * An object that is another one but for a few members.
 *
 * @module
 */

/** `target` with these members in place of its own. What it gets later, it has. */
export function overriding<T extends object>(target: object, members: Partial<T>): T {
  const bound = new Map<PropertyKey, unknown>();
  return new Proxy(target, {
    get(_, name) {
      if (Object.hasOwn(members, name)) return members[name as keyof T];
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      // A method with private fields works on the target only.
      if (!bound.has(name)) bound.set(name, value.bind(target));
      return bound.get(name);
    },
  }) as T;
}
