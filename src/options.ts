// Checks option objects at the public edge: unknown names and impossible values get a typed error that says what to do.
import { InvalidInputError } from './errors.js';

/** Says what a value must be, or nothing when it is fine. */
export type Rule = (value: unknown) => string | undefined;

/**
 * Throws `INHOUSE_UNKNOWN_OPTION` for a name without a rule and `INHOUSE_INVALID_OPTION` for a value its rule refuses.
 * An option that is undefined counts as not given. `caller` begins the message, such as "generate".
 */
export function checkOptions(caller: string, given: unknown, rules: Readonly<Record<string, Rule>>): void {
  if (given === undefined) return;
  requireOptions(caller, given);
  const options = given as Readonly<Record<string, unknown>>;
  for (const name in options) {
    if (!Object.hasOwn(options, name)) continue;
    const value = options[name];
    const rule = Object.hasOwn(rules, name) ? rules[name] : undefined;
    if (!rule) {
      throw new InvalidInputError(
        'INHOUSE_UNKNOWN_OPTION',
        `${caller}: unknown option "${name}". Known options: ${Object.keys(rules).join(', ')}.`,
        { details: { option: name, known: Object.keys(rules) } },
      );
    }
    if (value === undefined) continue;
    const expected = rule(value);
    if (expected) throw invalidOption(caller, name, value, expected);
  }
}

/** Throws `INHOUSE_INVALID_OPTION` unless options are given, as an object. */
export function requireOptions(caller: string, given: unknown): void {
  if (rule.object(given) === undefined) return;
  const message = `${caller}: options must be an object, not ${show(given)}.`;
  throw new InvalidInputError('INHOUSE_INVALID_OPTION', message);
}

/** The entries of `defaults` that `given` leaves open. */
export function missing(given: object, defaults: object): object {
  const known = new Map<string, unknown>(Object.entries(given ?? {}));
  return Object.fromEntries(Object.entries(defaults).filter(([name]) => known.get(name) === undefined));
}

export function invalidOption(
  caller: string,
  name: string,
  value: unknown,
  expected: string,
): InvalidInputError {
  const message = `${caller}: ${name} is ${show(value)}; it must be ${expected}.`;
  return new InvalidInputError('INHOUSE_INVALID_OPTION', message, { details: { option: name, expected } });
}

export const rule = {
  integer:
    (least: number, most = Number.MAX_SAFE_INTEGER): Rule =>
    (value) =>
      Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most
        ? undefined
        : `an integer from ${least} to ${most}`,

  number:
    (least: number, most = Number.POSITIVE_INFINITY): Rule =>
    (value) =>
      Number.isFinite(value) && (value as number) >= least && (value as number) <= most
        ? undefined
        : most === Number.POSITIVE_INFINITY
          ? `a finite number, ${least} or more`
          : `a number from ${least} to ${most}`,

  /** A number above `least`, up to and including `most`. */
  above:
    (least: number, most = Number.POSITIVE_INFINITY): Rule =>
    (value) =>
      Number.isFinite(value) && (value as number) > least && (value as number) <= most
        ? undefined
        : `a finite number above ${least}${most === Number.POSITIVE_INFINITY ? '' : `, at most ${most}`}`,

  boolean: ((value) => (typeof value === 'boolean' ? undefined : 'true or false')) as Rule,

  text: ((value) =>
    typeof value === 'string' && value !== '' ? undefined : 'a string that is not empty') as Rule,

  object: ((value) =>
    typeof value === 'object' && value !== null && !Array.isArray(value) ? undefined : 'an object') as Rule,

  function: ((value) => (typeof value === 'function' ? undefined : 'a function')) as Rule,

  signal: ((value) => (value instanceof AbortSignal ? undefined : 'an AbortSignal')) as Rule,

  /** An object with these methods, its own or inherited. */
  methods:
    (...names: readonly string[]): Rule =>
    (value) =>
      names.every((name) => typeof Object(value)[name] === 'function')
        ? undefined
        : `an object with the functions ${names.join(', ')}`,

  oneOf:
    (...choices: readonly string[]): Rule =>
    (value) =>
      choices.includes(value as string) ? undefined : `one of ${choices.map((c) => `'${c}'`).join(', ')}`,

  arrayOf:
    (what: string, each: (element: unknown) => boolean): Rule =>
    (value) =>
      Array.isArray(value) && all(value, each) ? undefined : `an array of ${what}`,
};

/** As `Array.prototype.every`, which passes over the holes of a sparse array: here each is undefined. */
export function all(values: readonly unknown[], fits: (value: unknown) => boolean): boolean {
  return values.findIndex((value) => !fits(value)) === -1;
}

function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object';
  return String(value);
}
