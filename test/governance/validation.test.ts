import { describe, expect, it } from 'vitest';
import { InvalidInputError, TagValidationError } from '#inhouse/errors.js';
import {
  customRule,
  DEFAULT_TAG_RULES,
  enumRule,
  lengthRule,
  patternRule,
  requiredRule,
} from '#inhouse/governance/tag-rules.js';
import { TagValidator } from '#inhouse/governance/validation.js';

function severities(attributes: Record<string, string | number | null>): string[] {
  const { violations, warnings } = new TagValidator().validate(attributes);
  return [...violations, ...warnings].map(({ attribute, severity }) => `${attribute} ${severity}`);
}

describe('tag validation', () => {
  it('C-11: the six default rules hold good values and report bad ones at their severity', () => {
    expect(DEFAULT_TAG_RULES).toHaveLength(6);
    const good = [
      { team: 'data-science' },
      { team: 'a1', customerId: 'A' },
      { team: 'a', customerId: 'acme_corp-7' },
      ...['production', 'staging', 'development', 'test', 'local'].map((environment) => ({
        team: 'a',
        environment,
      })),
      { team: 'a', feature: 'ab' },
      { team: 'a', feature: 'x'.repeat(50) },
      { team: 'a', userId: 'u' },
    ];
    for (const attributes of good) expect(severities(attributes), JSON.stringify(attributes)).toEqual([]);

    const bad: [Record<string, string | number | null>, string][] = [
      [{}, 'team warning'],
      [{ team: null }, 'team warning'],
      ...['Team', 'a_b', 'a--b', '-a', 'a-', 'a b', 7].map((team): [{ team: string | number }, string] => [
        { team },
        'team warning',
      ]),
      ...['-a', 'a-', '_', 'a b', '', 'é'].map((customerId): [Record<string, string>, string] => [
        { team: 'a', customerId },
        'customerId error',
      ]),
      [{ team: 'a', environment: 'prod' }, 'environment warning'],
      [{ team: 'a', feature: 'x' }, 'feature warning'],
      [{ team: 'a', feature: 'x'.repeat(51) }, 'feature warning'],
      [{ team: 'a', userId: ' \t' }, 'userId error'],
    ];
    for (const [attributes, finding] of bad) {
      expect(severities(attributes), JSON.stringify(attributes)).toEqual([finding]);
    }
  });

  it('an empty team breaks both rules on it', () => {
    expect(severities({ team: '' })).toEqual(['team warning', 'team warning']);
  });

  it('C-12 D-08: a rule of severity block makes the tags invalid and stops the call', () => {
    const validator = new TagValidator();
    validator.add(requiredRule('costCenter', { severity: 'block' }));
    expect(validator.validate({ team: 'a' }).valid).toBe(false);
    let caught: unknown;
    try {
      validator.enforce({ team: 'A' });
    } catch (error) {
      caught = error;
    }
    expect(caught).toBeInstanceOf(TagValidationError);
    expect(caught).toMatchObject({
      code: 'INHOUSE_TAG_REFUSED',
      message: "The call's attributes are refused: costCenter is missing.",
      details: {
        violations: [{ attribute: 'costCenter', severity: 'block', rule: 'costCenter-required' }],
        warnings: [{ attribute: 'team', severity: 'warning' }],
      },
    });
    expect(validator.enforce({ team: 'a', cost_center: 'x' }).valid).toBe(true);
  });

  it('severity error leaves the tags valid and stops only where every violation does', () => {
    const validator = new TagValidator();
    const attributes = { team: 'a', userId: ' ' };
    expect(validator.enforce(attributes)).toMatchObject({
      valid: true,
      violations: [{ attribute: 'userId' }],
    });
    expect(() => validator.enforce(attributes, 'error')).toThrow(TagValidationError);
    expect(validator.enforce({ team: 'Warned' }, 'error').warnings).toHaveLength(1);
  });

  it('C-13: a rule that throws is a violation of severity error, not a crash', () => {
    const failing = customRule(
      'team',
      () => {
        throw new Error('no database');
      },
      { severity: 'block' },
    );
    const { valid, violations } = new TagValidator([failing]).validate({ team: 'a' });
    expect(valid).toBe(true);
    expect(violations).toEqual([
      {
        rule: 'team-custom',
        attribute: 'team',
        severity: 'error',
        message: 'the rule "team-custom" failed: no database',
      },
    ]);
  });

  it('rules are added, replaced by name, removed, and switched off and on', () => {
    const validator = new TagValidator([]);
    validator.add(enumRule('region', ['eu'], { name: 'region', severity: 'block' }));
    validator.add(enumRule('region', ['us'], { name: 'region', severity: 'block' }));
    expect(validator.rules).toHaveLength(1);
    expect(validator.validate({ region: 'us' }).valid).toBe(true);
    expect(validator.validate({ region: 'eu' }).violations[0]?.message).toBe('region is not one of us');
    validator.disable();
    expect(validator.enabled).toBe(false);
    expect(validator.enforce({ region: 'eu' }).violations).toEqual([]);
    validator.enable();
    expect(() => validator.enforce({ region: 'eu' })).toThrow(TagValidationError);
    expect([validator.remove('region'), validator.remove('region')]).toEqual([true, false]);
    expect(validator.enforce({ region: 'eu' }).valid).toBe(true);
  });

  it('attributes that were judged before are judged again when the rules have changed, or they have', () => {
    const validator = new TagValidator([]);
    const [frozen, open] = [Object.freeze({ team: 'a' }), { team: 'a' }];
    const violations = (attributes: { team: string }) => validator.validate(attributes).violations.length;
    expect([violations(frozen), violations(open)]).toEqual([0, 0]);
    validator.add(enumRule('team', ['b']));
    expect([violations(frozen), violations(frozen), violations(open)]).toEqual([1, 1, 1]);
    open.team = 'b';
    expect(violations(open)).toBe(0);
    validator.disable();
    expect(violations(frozen)).toBe(0);
    validator.enable();
    expect(violations(frozen)).toBe(1);
    validator.remove('team-enum');
    expect(violations(frozen)).toBe(0);
  });

  it('a rule that cannot be meant is refused', () => {
    expect(() => requiredRule('a', { severity: 'blocked' as 'block' })).toThrow(
      /a-required: severity is "blocked"/,
    );
    expect(() => requiredRule('a', { severty: 'block' } as object)).toThrow(/unknown option "severty"/);
    const validator = new TagValidator([]);
    expect(() => validator.add({ ...lengthRule('a', 1, 2), most: '2' } as never)).toThrow(/most is "2"/);
    expect(() => validator.add(undefined as never)).toThrow(InvalidInputError);
    expect(validator.rules).toEqual([]);
  });

  it.each<[string, () => unknown]>([
    ['attribute is ""', () => requiredRule('')],
    ['pattern is "a"', () => patternRule('a', 'a' as never)],
    ['values is "a"', () => enumRule('a', 'a' as never)],
    ['least is NaN', () => lengthRule('a', Number.NaN, 2)],
    ['least is 3; it must be at most 2', () => lengthRule('a', 3, 2)],
    ['check is undefined', () => customRule('a', undefined as never)],
  ])('is refused where it is made: %s', (what, make) => {
    expect(make).toThrow(
      expect.objectContaining({ name: 'InvalidInputError', message: expect.stringContaining(what) }),
    );
  });

  it('a global expression answers the same each time', () => {
    const validator = new TagValidator([patternRule('team', /a/g)]);
    const answers = [1, 2, 3].map(() => validator.validate({ team: 'a' }).violations.length);
    expect(answers).toEqual([0, 0, 0]);
  });

  it('rules on an absent attribute hold, but for required', () => {
    const rules = [patternRule('x', /a/), enumRule('x', ['a']), lengthRule('x', 1, 2), requiredRule('x')];
    const validator = new TagValidator([...rules, customRule('x', () => false)]);
    expect(validator.validate({}).violations.map(({ rule }) => rule)).toEqual(['x-required']);
  });

  it('a rule may name its attribute as telemetry does', () => {
    const validator = new TagValidator([requiredRule('cost_center', { severity: 'block' })]);
    expect(validator.validate({}).valid).toBe(false);
    expect(validator.validate({ costCenter: 'c' }).valid).toBe(true);
  });

  it('returns the attributes without absent values and in their own spelling', () => {
    expect(new TagValidator([]).validate({ team: 'a', feature: null, customer_id: 'c' }).attributes).toEqual({
      team: 'a',
      customerId: 'c',
    });
  });
});
