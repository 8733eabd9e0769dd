import { describe, expect, it } from 'vitest';
import { InvalidInputError, PolicyViolationError } from '#inhouse/errors.js';
import {
  asWarning,
  type Policy,
  type PolicyDecision,
  PolicyEngine,
  type PolicyResult,
  violation,
} from '#inhouse/governance/policy.js';
import type { PolicyInput } from '#inhouse/governance/policy-evaluators.js';
import { FakeClock } from '../support/fake-clock.js';

const CALL: PolicyInput = { attributes: { team: 'search' }, model: 'gpt2', costUsd: 0, content: '' };

function engineWith(...policies: Policy[]): PolicyEngine {
  const engine = new PolicyEngine(new FakeClock());
  for (const policy of policies) engine.register(policy);
  return engine;
}

function resultOf(policy: Policy, call: Partial<PolicyInput> = {}): PolicyDecision {
  return engineWith(policy).evaluate({ ...CALL, ...call })[0]!;
}

describe('policy engine', () => {
  it('C-32: a violation results in what the policy says; unknown and disabled policies allow', () => {
    const results: PolicyResult[] = ['BLOCKED', 'WARNING', 'RATE_LIMITED', 'ALLOWED'];
    for (const enforcement of results) {
      const policy: Policy = { name: 'cost_limit', enforcement, conditions: { maxCost: 1 } };
      const decision = resultOf(policy, { costUsd: 2 });
      expect(decision.result).toBe(enforcement);
      expect(decision.reason).toBe('The operation costs $2; the limit is $1');
      expect('reasonCode' in decision).toBe(enforcement !== 'ALLOWED');
    }
    expect(resultOf({ name: 'cost_limit', conditions: { maxCost: 1 } }, { costUsd: 2 }).result).toBe(
      'BLOCKED',
    );
    expect(
      resultOf({ name: 'cost_limit', enabled: false, conditions: { maxCost: 0 } }, { costUsd: 2 }),
    ).toEqual({
      policy: 'cost_limit',
      result: 'ALLOWED',
      reason: 'Policy disabled',
      metadata: {},
    });
    expect(new PolicyEngine().check('nobody', CALL)).toEqual({
      policy: 'nobody',
      result: 'ALLOWED',
      reason: 'Policy not found',
      metadata: {},
    });
  });

  it('D-09: levels are accepted in either case and reported in upper case', () => {
    const policy: Policy = { name: 'cost_limit', enforcement: 'rate_limited', conditions: { maxCost: 1 } };
    expect(resultOf(policy, { costUsd: 2 }).result).toBe('RATE_LIMITED');
  });

  it('D-11: a type may go by any name, and an unknown type is refused', () => {
    const policy: Policy = { name: 'demo_cost_limit', type: 'cost_limit', conditions: { maxCost: 1 } };
    expect(resultOf(policy, { costUsd: 2 })).toMatchObject({ policy: 'demo_cost_limit', result: 'BLOCKED' });
    expect(() => engineWith({ name: 'demo_cost_limit', conditions: { maxCost: 1 } })).toThrow(
      /unknown type "demo_cost_limit".*cost_limit, rate_limit, content_filter, team_access, model_access/,
    );
  });

  it('C-33: cost_limit blocks above the limit, not at it', () => {
    const policy: Policy = { name: 'cost_limit', conditions: { maxCost: 1 } };
    expect(resultOf(policy, { costUsd: 1 }).result).toBe('ALLOWED');
    expect(resultOf(policy, { costUsd: 1.0000001 })).toMatchObject({
      result: 'BLOCKED',
      reasonCode: 'x_cost_limit',
      metadata: { limit: 1, actual: 1.0000001 },
    });
    expect(resultOf(policy, { costUsd: Number.NaN }).result).toBe('BLOCKED');
    expect(resultOf({ name: 'cost_limit' }, { costUsd: 1e12 }).result).toBe('ALLOWED');
  });

  it('C-34 D-10: rate_limit counts by itself, lets 100 through in a minute and stops the 101st', () => {
    const clock = new FakeClock();
    const engine = new PolicyEngine(clock);
    engine.register({ name: 'rate_limit' });
    for (let call = 1; call <= 100; call++) {
      expect(engine.evaluate(CALL)[0]?.result, `call ${call}`).toBe('ALLOWED');
      clock.advance(100);
    }
    expect(engine.evaluate(CALL)[0]).toMatchObject({
      result: 'BLOCKED',
      reasonCode: 'RATE_LIMITED',
      metadata: { limit: 100, actual: 100, retryAfterMs: 50_000 },
    });
    clock.advance(49_999);
    expect(engine.evaluate(CALL)[0]?.result).toBe('BLOCKED');
    clock.advance(1);
    expect(engine.evaluate(CALL)[0]?.result).toBe('ALLOWED');
    expect(engine.evaluate(CALL)[0]?.result).toBe('BLOCKED');
  });

  it('C-34: rate_limit uses the count of a caller that has one', () => {
    const policy: Policy = { name: 'rate_limit', conditions: { maxRequestsPerMinute: 5 } };
    expect(resultOf(policy, { requestCount: 4 }).result).toBe('ALLOWED');
    expect(resultOf(policy, { requestCount: 5 })).toMatchObject({
      result: 'BLOCKED',
      metadata: { actual: 5 },
    });
  });

  it('rate_limit is not fooled by a clock that is set back, and checking does not count', () => {
    const clock = new FakeClock();
    const engine = new PolicyEngine(clock);
    engine.register({ name: 'rate_limit', conditions: { maxRequests: 1 } });
    for (let time = 0; time < 3; time++) expect(engine.check('rate_limit', CALL).result).toBe('ALLOWED');
    engine.evaluate(CALL);
    clock.advance(60_000);
    clock.setNow(0);
    expect(engine.evaluate(CALL)[0]?.result).toBe('ALLOWED');
  });

  it('C-35: content_filter finds its patterns whatever their case, and never repeats them', () => {
    const policy: Policy = { name: 'content_filter', conditions: { blockedPatterns: ['other', 'SeCret'] } };
    expect(resultOf(policy, { content: 'nothing here' }).result).toBe('ALLOWED');
    const decision = resultOf(policy, { content: () => 'my SECRETS' });
    expect(decision).toMatchObject({
      result: 'BLOCKED',
      reasonCode: 'POLICY_DENY_CONTENT',
      metadata: { pattern: 2 },
    });
    expect(JSON.stringify(decision).toLowerCase()).not.toContain('secret');
    expect(resultOf({ name: 'content_filter' }, { content: 'anything' }).result).toBe('ALLOWED');
  });

  it('C-35: content_filter takes its patterns as they are written, in any alphabet', () => {
    const found = (pattern: string, content: string) =>
      resultOf({ name: 'content_filter', conditions: { blockedPatterns: [pattern] } }, { content }).result;
    for (const pattern of ['a.b', '(x|y)', '[a-z]*', '\\d+$', '^{2}', 'a/b', '\u{1f600}', 'a-b #&,']) {
      expect(found(pattern, `before ${pattern.toUpperCase()} after`), pattern).toBe('BLOCKED');
    }
    expect(found('a.b', 'axb')).toBe('ALLOWED');
    expect(found('\\d', '7')).toBe('ALLOWED');
    expect(found('ΟΔΟΣ', 'η οδος')).toBe('BLOCKED');
    expect(found('key', '\u212aEY')).toBe('BLOCKED'); // the sign of kelvin, a K to the reader
    expect(found('secret', '\ud800secret')).toBe('BLOCKED');
  });

  it('C-35: content_filter reads the output where it is told to', () => {
    const conditions = { blockedPatterns: ['secret'] };
    const silent = engineWith({ name: 'content_filter', conditions });
    expect(silent.evaluateOutput(CALL, 'a Secret')).toEqual([]);
    const reading = engineWith({ name: 'content_filter', conditions: { ...conditions, checkOutput: true } });
    expect(reading.evaluateOutput(CALL, 'fine')[0]?.result).toBe('ALLOWED');
    expect(reading.evaluateOutput(CALL, 'a Secret')[0]).toMatchObject({
      result: 'BLOCKED',
      reasonCode: 'POLICY_DENY_CONTENT',
    });
  });

  it('C-36: team_access and the model allow-list block who is not listed; an empty list allows everyone', () => {
    const team = (...allowedTeams: string[]): Policy => ({
      name: 'team_access',
      conditions: { allowedTeams },
    });
    expect(resultOf(team('search', 'ads')).result).toBe('ALLOWED');
    expect(resultOf(team()).result).toBe('ALLOWED');
    expect(resultOf(team('ads'))).toMatchObject({ result: 'BLOCKED', reasonCode: 'x_team_access' });
    const model = (...allowedModels: string[]): Policy => ({
      name: 'model_access',
      conditions: { allowedModels },
    });
    expect(resultOf(model('gpt2')).result).toBe('ALLOWED');
    expect(resultOf(model()).result).toBe('ALLOWED');
    expect(resultOf(model('gpt2-xl'))).toMatchObject({ result: 'BLOCKED', reasonCode: 'POLICY_DENY_MODEL' });
  });

  it('C-37: policies decide in listed order, up to the first that stops the call where they are enforced', () => {
    const engine = engineWith(
      { name: 'warn', type: 'cost_limit', enforcement: 'warning', conditions: { maxCost: 1 } },
      { name: 'deny', type: 'model_access', conditions: { allowedModels: ['gpt2-xl'] } },
      { name: 'never', type: 'team_access', conditions: { allowedTeams: ['ads'] } },
    );
    const shown = (decisions: readonly PolicyDecision[]) =>
      decisions.map(({ policy, result }) => `${policy} ${result}`);
    const decisions = engine.evaluateUntilStopped({ ...CALL, costUsd: 2 });
    expect(shown(decisions)).toEqual(['warn WARNING', 'deny BLOCKED']);
    const error = violation(decisions.at(-1)!);
    expect(error).toBeInstanceOf(PolicyViolationError);
    expect(error).toMatchObject({
      code: 'INHOUSE_POLICY_MODEL_DENIED',
      status: 400,
      message: 'Policy "deny" stops the call: Model "gpt2" is not allowed; allowed: gpt2-xl.',
      details: { policy: 'deny', reasonCode: 'POLICY_DENY_MODEL', metadata: { actual: 'gpt2' } },
    });
    const all = engine.evaluate({ ...CALL, costUsd: 2 });
    expect(shown(all)).toEqual(['warn WARNING', 'deny BLOCKED', 'never BLOCKED']);
  });

  it('a limit on requests is an error that may be tried again, whatever its level', () => {
    for (const enforcement of ['BLOCKED', 'RATE_LIMITED'] as const) {
      const engine = engineWith({ name: 'rate_limit', enforcement, conditions: { maxRequests: 1 } });
      const [[first], [second]] = [engine.evaluateUntilStopped(CALL), engine.evaluateUntilStopped(CALL)];
      expect(first?.result).toBe('ALLOWED');
      expect(violation(second!)).toMatchObject({
        code: 'INHOUSE_POLICY_RATE_LIMITED',
        status: 429,
        retryable: true,
      });
    }
  });

  it('registering a name again replaces the policy in its place', () => {
    const engine = engineWith(
      { name: 'a', type: 'cost_limit', conditions: { maxCost: 1 } },
      { name: 'b', type: 'team_access' },
      { name: 'a', type: 'cost_limit', conditions: { maxCost: 3 } },
    );
    expect(engine.policies.map(({ name }) => name)).toEqual(['a', 'b']);
    expect(engine.evaluate({ ...CALL, costUsd: 2 })[0]?.result).toBe('ALLOWED');
  });

  it('takes evaluators of other types, and an evaluator that throws objects without quoting the call', () => {
    const engine = new PolicyEngine();
    engine.registerEvaluator('region', ({ allowed }) => ({
      before: ({ attributes }) =>
        attributes.region === allowed
          ? undefined
          : { reasonCode: 'POLICY_DENY_REGION', reason: `Not in ${allowed}` },
    }));
    engine.registerEvaluator('faulty', () => ({
      before: ({ content }) => {
        throw new TypeError(`cannot read ${content}`);
      },
    }));
    engine.register({ name: 'eu-only', type: 'region', conditions: { allowed: 'eu' } });
    engine.register({ name: 'faulty', enforcement: 'WARNING' });
    const [region, faulty] = engine.evaluate({ ...CALL, content: 'private words' });
    expect(region).toMatchObject({
      result: 'BLOCKED',
      reasonCode: 'POLICY_DENY_REGION',
      reason: 'Not in eu',
    });
    expect(faulty).toEqual({
      policy: 'faulty',
      result: 'WARNING',
      reasonCode: 'x_evaluation_failed',
      reason: 'Its evaluation failed with TypeError',
      metadata: {},
    });
  });

  it('a value that costs something to know is asked for only by policies that need it', () => {
    const engine = engineWith({ name: 'team_access' }, { name: 'content_filter' });
    const unwanted = () => {
      throw new Error('asked for');
    };
    const decisions = engine.evaluate({ ...CALL, costUsd: unwanted, content: unwanted });
    expect(decisions.map(({ result }) => result)).toEqual(['ALLOWED', 'ALLOWED']);
  });

  it('C-23: reason codes are of the taxonomy or begin with x_, and absent when a call is allowed', () => {
    const codes =
      /^(BUDGET_EXCEEDED|BUDGET_RESERVATION_FAILED|POLICY_DENY_(MODEL|REGION|CONTENT)|RATE_LIMITED|SLA_LATENCY_VIOLATION|PROVIDER_ERROR_UPSTREAM|ACCOUNTING_INVARIANT_VIOLATION|x_[a-z0-9_]+)$/;
    const engine = engineWith(
      { name: 'cost_limit', conditions: { maxCost: 1 } },
      { name: 'rate_limit', conditions: { maxRequests: 1 } },
      { name: 'content_filter', conditions: { blockedPatterns: ['bad'] } },
      { name: 'team_access', conditions: { allowedTeams: ['ads'] } },
      { name: 'model_access', conditions: { allowedModels: ['gpt2-xl'] } },
    );
    const good = { attributes: { team: 'ads' }, model: 'gpt2-xl', costUsd: 1, content: 'ok' };
    for (const decision of engine.evaluate(good)) expect(decision).not.toHaveProperty('reasonCode');
    const decisions = engine.evaluate({ ...CALL, costUsd: 2, content: 'bad' });
    expect(decisions.map(({ result }) => result)).toEqual(Array(5).fill('BLOCKED'));
    for (const { reasonCode } of decisions) expect(reasonCode).toMatch(codes);
  });

  it('C-38: a decision that stops a call becomes a warning where nothing may be stopped', () => {
    const blocked = resultOf({ name: 'team_access', conditions: { allowedTeams: ['ads'] } });
    expect(asWarning(blocked)).toEqual({ ...blocked, result: 'WARNING' });
    const allowed = resultOf({ name: 'team_access' });
    expect(asWarning(allowed)).toBe(allowed);
  });

  it('refuses policies that cannot mean what they say', () => {
    const bad: unknown[] = [
      { name: '' },
      { name: 'cost_limit', enforcement: 'maybe' },
      { name: 'cost_limit', unknown: 1 },
      { name: 'cost_limit', conditions: { max_cost: 1 } },
      ...[-1, Number.NaN, Number.POSITIVE_INFINITY, '1'].map((maxCost) => ({
        name: 'cost_limit',
        conditions: { maxCost },
      })),
      ...[0, -1, 1.5, 1e9].map((maxRequests) => ({ name: 'rate_limit', conditions: { maxRequests } })),
      { name: 'content_filter', conditions: { blockedPatterns: [''] } },
      { name: 'team_access', conditions: { allowedTeams: 'ads' } },
    ];
    for (const policy of bad) {
      expect(() => engineWith(policy as Policy), JSON.stringify(policy)).toThrow(InvalidInputError);
    }
  });
});
