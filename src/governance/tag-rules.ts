// What an attribute must look like: kinds of rules, and the six that hold unless removed.
import { types } from 'node:util';
import { checkOptions, invalidOption, rule as option, requireOptions } from '../options.js';
import type { Attributes, AttributeValue } from './attributes.js';
import { atOnce } from './callbacks.js';

/** 'warning' is logged; 'error' is logged and counts as a violation; 'block' stops the call. */
export type TagSeverity = 'warning' | 'error' | 'block';

interface RuleFacts {
  /** Unique within a validator: a rule of the same name replaces the earlier one. */
  readonly name: string;
  /** `team`, `customerId`, or a custom key. */
  readonly attribute: string;
  readonly severity: TagSeverity;
  /** Replaces the message made from the rule. */
  readonly message?: string | undefined;
}

/** All but 'required' hold for an attribute that is absent. Lengths are in UTF-16 units. */
export type TagRule = RuleFacts &
  (
    | { readonly kind: 'required' }
    | { readonly kind: 'pattern'; readonly pattern: RegExp }
    | { readonly kind: 'enum'; readonly values: readonly AttributeValue[] }
    | { readonly kind: 'length'; readonly least: number; readonly most: number }
    | { readonly kind: 'custom'; readonly check: (value: AttributeValue, attributes: Attributes) => boolean }
  );

const OPTIONS = {
  severity: option.oneOf('warning', 'error', 'block'),
  name: option.text,
  message: option.text,
};

const length = (value: unknown) => (typeof value === 'number' && value >= 0 ? undefined : 'a number from 0');

const KINDS = {
  required: {},
  pattern: { pattern: (value: unknown) => (types.isRegExp(value) ? undefined : 'a regular expression') },
  enum: { values: option.arrayOf('values', () => true) },
  length: { least: length, most: length },
  custom: { check: option.function },
};

/** `caller` begins the message. @throws InvalidInputError for a rule that cannot be meant */
export function checkTagRule(rule: TagRule, caller: string): void {
  requireOptions(caller, rule);
  const { kind, ...rest } = rule;
  const expected = option.oneOf(...Object.keys(KINDS))(kind);
  if (expected) throw invalidOption(caller, 'kind', kind, expected);
  const rules = { attribute: option.text, ...OPTIONS, ...KINDS[kind] };
  for (const name of Object.keys(rules)) {
    const given = (rest as Readonly<Record<string, unknown>>)[name];
    if (given === undefined && name !== 'message') throw invalidOption(caller, name, given, 'given');
  }
  checkOptions(caller, rest, rules);
  if (rule.kind === 'length' && rule.least > rule.most) {
    throw invalidOption(caller, 'least', rule.least, `at most ${rule.most}, the most`);
  }
}

export interface TagRuleOptions {
  readonly severity?: TagSeverity;
  readonly name?: string;
  readonly message?: string;
}

export function requiredRule(attribute: string, options: TagRuleOptions = {}): TagRule {
  return made({ ...facts(attribute, 'required', options), kind: 'required' });
}

export function patternRule(attribute: string, pattern: RegExp, options: TagRuleOptions = {}): TagRule {
  // A global or sticky expression remembers where it stopped and would answer differently each time.
  const stateless = types.isRegExp(pattern)
    ? new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ''))
    : pattern;
  return made({ ...facts(attribute, 'pattern', options), kind: 'pattern', pattern: stateless });
}

export function enumRule(
  attribute: string,
  values: readonly AttributeValue[],
  options: TagRuleOptions = {},
): TagRule {
  return made({ ...facts(attribute, 'enum', options), kind: 'enum', values });
}

export function lengthRule(
  attribute: string,
  least: number,
  most: number,
  options: TagRuleOptions = {},
): TagRule {
  return made({ ...facts(attribute, 'length', options), kind: 'length', least, most });
}

export function customRule(
  attribute: string,
  check: (value: AttributeValue, attributes: Attributes) => boolean,
  options: TagRuleOptions = {},
): TagRule {
  return made({ ...facts(attribute, 'custom', options), kind: 'custom', check });
}

export const ENVIRONMENTS = ['production', 'staging', 'development', 'test', 'local'] as const;

export const DEFAULT_TAG_RULES: readonly TagRule[] = [
  requiredRule('team', { severity: 'warning' }),
  patternRule('team', /^[a-z0-9]+(-[a-z0-9]+)*$/, {
    severity: 'warning',
    message: 'team is not in kebab-case, such as "data-science"',
  }),
  patternRule('customerId', /^[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?$/, {
    severity: 'error',
    message:
      'customerId does not begin and end with a letter or digit, with letters, digits, _ and - between',
  }),
  enumRule('environment', ENVIRONMENTS, { severity: 'warning' }),
  lengthRule('feature', 2, 50, { severity: 'warning' }),
  customRule('userId', (value) => String(value).trim() !== '', {
    severity: 'error',
    message: 'userId is blank',
  }),
];

/** What the value breaks, or undefined. */
export function broken(rule: TagRule, attributes: Attributes): string | undefined {
  const value = attributes[rule.attribute];
  if (value === undefined)
    return rule.kind === 'required' ? (rule.message ?? `${rule.attribute} is missing`) : undefined;
  return holds(rule, value, attributes) ? undefined : (rule.message ?? describe(rule));
}

function holds(rule: TagRule, value: AttributeValue, attributes: Attributes): boolean {
  switch (rule.kind) {
    case 'required':
      return value !== '';
    case 'pattern':
      return typeof value === 'string' && rule.pattern.test(value);
    case 'enum':
      return rule.values.includes(value);
    case 'length':
      return typeof value === 'string' && value.length >= rule.least && value.length <= rule.most;
    case 'custom':
      return atOnce(rule.check(value, attributes));
  }
}

function describe(rule: TagRule): string {
  switch (rule.kind) {
    case 'required':
      return `${rule.attribute} is missing`;
    case 'pattern':
      return `${rule.attribute} does not match ${rule.pattern}`;
    case 'enum':
      return `${rule.attribute} is not one of ${rule.values.join(', ')}`;
    case 'length':
      return `${rule.attribute} is not text of ${rule.least} to ${rule.most} characters`;
    case 'custom':
      return `${rule.attribute} is refused by the rule "${rule.name}"`;
  }
}

function made(rule: TagRule): TagRule {
  checkTagRule(rule, `tag rule ${rule.name}`);
  return rule;
}

function facts(attribute: string, kind: string, options: TagRuleOptions): RuleFacts {
  checkOptions(`tag rule ${attribute}-${kind}`, options, OPTIONS);
  return {
    name: options.name ?? `${attribute}-${kind}`,
    attribute,
    severity: options.severity ?? 'error',
    message: options.message,
  };
}
