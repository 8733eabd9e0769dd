// The steps of a governed call: what each does, in which order, and what it leaves behind.
import { describe, expect, it, vi } from 'vitest';
import {
  BudgetExceededError,
  CircuitOpenError,
  PolicyViolationError,
  ProviderError,
  TagValidationError,
} from '#inhouse/errors.js';
import { governanceOf } from '#inhouse/governance/governance-report.js';
import { govern } from '#inhouse/governance/governed-provider.js';
import { loggerTo } from '#inhouse/governance/logging.js';
import { GOVERN_PROFILES, type GovernancePolicy, type GovernOptions } from '#inhouse/governance/options.js';
import { PricingCatalogue } from '#inhouse/governance/pricing/catalogue.js';
import { customRule, enumRule, patternRule, requiredRule } from '#inhouse/governance/tag-rules.js';
import { checkCompliance } from '#inhouse/governance/telemetry/compliance.js';
import type { Provider } from '#inhouse/providers/provider.js';
import { router } from '#inhouse/providers/router.js';
import { stub } from '#inhouse/providers/stub.js';
import { failFirst } from '#inhouse/providers/stub-plans.js';
import { metering } from '../support/metering.js';
import { eventNames } from '../support/tracing.js';
import { bench, COST, nothingHeld, REQUEST, rejection, spy } from './support/governed.js';

const crash = new ProviderError('INHOUSE_PROVIDER_FAILED', 'the engine is down');
const SILENT = loggerTo('silent', () => {});
const MODES: readonly GovernancePolicy[] = ['advisory', 'enforced', 'strict'];

describe('attribution of a governed call', () => {
  const HEADLINE = {
    team: 'search',
    project: 'atlas',
    environment: 'staging',
    customerId: 'acme',
    costCenter: 'cc-1',
    feature: 'chat',
  };

  it('C-01 D-32: the six headline attributes are on the span and in the result', async () => {
    const { governed, trace } = bench({ attributes: HEADLINE });
    const { governance } = await governed.complete(REQUEST);
    expect(governance.attributes).toMatchObject(HEADLINE);
    expect(trace.only().attributes).toMatchObject({
      'genops.team': 'search',
      'genops.project': 'atlas',
      'genops.environment': 'staging',
      'genops.customer_id': 'acme',
      'genops.cost_center': 'cc-1',
      'genops.feature': 'chat',
    });
  });

  it('C-03 D-22: custom attributes reach the span and not the provider', async () => {
    const { governed, served, trace } = bench();
    await governed.complete(REQUEST, { attributes: { worker_id: 'w-3', load_test_id: 7 } });
    expect(trace.only().attributes).toMatchObject({ 'genops.worker_id': 'w-3', 'genops.load_test_id': 7 });
    expect(served).toEqual([{ request: REQUEST, call: { timeoutMs: 60_000 } }]);
  });

  it('D-22: what is no setting of a request is refused, not forwarded', async () => {
    const { governed, served } = bench();
    const errors = [
      await rejection(governed.complete({ ...REQUEST, team: 'search' } as never)),
      await rejection(governed.complete(REQUEST, { team: 'search' } as never)),
      await rejection(governed.stream(undefined as never).result),
    ];
    for (const error of errors) expect(error.name).toBe('InvalidInputError');
    expect(served).toEqual([]);
  });

  it('C-05 C-07: a scope, an ambient context and a request each have their place', async () => {
    const { governed } = bench({ attributes: { project: 'own' } });
    const { governance } = await governed.governanceContext({ team: 'scope', feature: 'scope' }, () =>
      governed.complete(REQUEST, { attributes: { feature: 'request' } }),
    );
    expect(governance.attributes).toMatchObject({ project: 'own', team: 'scope', feature: 'request' });
    expect((await governed.complete(REQUEST)).governance.attributes.team).toBe('default');
  });

  it('C-10: what happens to the attributes after the start does not reach the call', async () => {
    const { governed, trace } = bench({}, { serviceMs: 5 });
    const attributes: Record<string, string> = { team: 'before' };
    const call = governed.complete(REQUEST, { attributes });
    attributes.team = 'after';
    const { governance } = await call;
    expect(governance.attributes.team).toBe('before');
    expect(trace.only().attributes['genops.team']).toBe('before');
  });

  it('a tenant has a cost centre of its own, unless the call names another', async () => {
    const { governed } = bench({ tenants: { acme: { costCenter: 'cc-acme' } }, attributes: HEADLINE });
    const own = await governed.complete(REQUEST);
    expect(own.governance.attributes.costCenter).toBe('cc-acme');
    const named = await governed.complete(REQUEST, { attributes: { cost_center: 'cc-2' } });
    expect(named.governance.attributes.costCenter).toBe('cc-2');
    const absent = await governed.complete(REQUEST, { attributes: { costCenter: undefined } });
    expect(absent.governance.attributes.costCenter).toBe('cc-acme');
  });

  it('what a call leaves undefined does not take it out of its session’s budget', async () => {
    const { governed } = bench({
      governancePolicy: 'enforced',
      tenants: { acme: { limitsUsd: { daily: COST / 2 } } },
    });
    await governed.trackSession({ attributes: { customer_id: 'acme' } }, async ({ sessionId }) => {
      for (const customerId of [undefined, null]) {
        const call = governed.complete(REQUEST, { sessionId, attributes: { customerId } });
        expect(await rejection(call)).toMatchObject({ details: { scope: 'customer', value: 'acme' } });
      }
      const { governance } = await governed.complete(REQUEST, {
        sessionId,
        attributes: { customerId: 'globex', session_id: 'another' },
      });
      expect(governance.attributes).toMatchObject({ customerId: 'globex', sessionId });
    });
  });

  it('C-82: the provider is told whose call it is, so that customers share no cache', async () => {
    const { governed, served } = bench();
    await governed.complete(REQUEST, { attributes: { customerId: 'a' } });
    await governed.complete(REQUEST, { attributes: { customerId: 'b' } });
    await governed.complete(REQUEST, { attributes: { customerId: 'b' }, tenant: 'shared' });
    expect(served.map(({ call }) => call?.tenant)).toEqual(['a', 'b', 'shared']);
  });

  it('an empty customer is no customer', async () => {
    const { governed, served } = bench({ attributes: { customerId: '' } });
    await governed.complete(REQUEST);
    expect(served[0]!.call?.tenant).toBeUndefined();
    expect(governed.costSummary().costByCustomer).toEqual({});
  });

  it('G-30: defaults fill what a request leaves open; the model is the request’s', async () => {
    const { governed, served } = bench({ requestDefaults: { temperature: 0.5, maxTokens: 3 } });
    await governed.complete({ ...REQUEST, temperature: undefined });
    expect(served[0]!.request).toEqual({ ...REQUEST, temperature: 0.5 });
    expect(() => govern(stub(), { requestDefaults: { model: 'gpt2-xl' } as never })).toThrow('model');
  });
});

describe('tags', () => {
  it('C-12 D-08: a rule of severity block stops the call before the provider is asked', async () => {
    const tagRules = [enumRule('environment', ['test'], { severity: 'block' })];
    for (const governancePolicy of MODES) {
      const { governed, served, counted } = bench({ tagRules, governancePolicy });
      const error = await rejection(governed.complete(REQUEST));
      expect(error).toBeInstanceOf(TagValidationError);
      expect([served.length, counted]).toEqual([0, 0]);
      expect(governanceOf(error)!.decision).toMatchObject({ policy: 'tag_validation', result: 'BLOCKED' });
    }
  });

  it('C-40: strict mode also stops at violations of severity error; the others log them', async () => {
    const tagRules = [customRule('team', () => false, { severity: 'error' })];
    const log = { error: vi.fn() };
    const logger = { ...SILENT, isLevelEnabled: (l: string) => l === 'error', ...log };
    for (const governancePolicy of ['advisory', 'enforced'] as const) {
      await bench({ tagRules, governancePolicy, logger }).governed.complete(REQUEST);
    }
    expect(log.error.mock.calls.map(([, message]) => message)).toEqual(['Tag violation', 'Tag violation']);
    const strict = bench({ tagRules, governancePolicy: 'strict' });
    expect(await rejection(strict.governed.complete(REQUEST))).toBeInstanceOf(TagValidationError);
    expect(strict.served).toEqual([]);
  });
});

describe('models of a governed call', () => {
  it('G-07: a request without a model, or with one that is not allowed, is a 400 that says which are', async () => {
    const policies = [
      { name: 'models', type: 'model_access', conditions: { allowedModels: ['gpt2', 'small'] } },
    ];
    const { governed, served } = bench({ governancePolicy: 'enforced', policies });
    const { model: _, ...without } = REQUEST;
    expect(await rejection(governed.complete(without as never))).toMatchObject({
      status: 400,
      message: expect.stringContaining('model'),
    });
    expect(await rejection(governed.complete({ ...REQUEST, model: 'large' }))).toMatchObject({
      status: 400,
      code: 'INHOUSE_POLICY_MODEL_DENIED',
      message: expect.stringContaining('"large" is not allowed; allowed: gpt2, small'),
      details: { metadata: { allowed: ['gpt2', 'small'] } },
    });
    expect(served).toEqual([]);
  });
});

describe('budgets of a governed call', () => {
  const reserve = COST; // the request's upper bound is what it costs

  it('C-38: advisory never blocks; it warns, and costs accrue', async () => {
    const alerts = vi.fn();
    const { governed } = bench({ dailyBudgetLimit: reserve / 2, onBudgetAlert: alerts });
    const { governance } = await governed.complete(REQUEST);
    expect(governance.decision).toMatchObject({
      policy: 'budget',
      result: 'WARNING',
      reasonCode: 'BUDGET_RESERVATION_FAILED',
    });
    expect((await governed.complete(REQUEST)).governance.decision.reasonCode).toBe('BUDGET_EXCEEDED');
    expect(governed.costSummary()).toMatchObject({ dailyBudgetUtilization: expect.closeTo(400, 9) });
    expect(alerts).toHaveBeenCalledTimes(4);
  });

  it('C-21: the span of the call that reaches a threshold has the alert as an event', async () => {
    const budgets = [{ scope: 'team', limitsUsd: { daily: COST * 2.5 } }] as const;
    const { governed, trace } = bench({ attributes: { team: 'search' }, budgets, alertThresholds: [0.5] });
    await governed.complete(REQUEST);
    await governed.complete(REQUEST);
    await governed.complete(REQUEST);
    const alerts = trace.spans.map(({ events }) =>
      events.filter(({ name }) => name === 'genops.budget.alert'),
    );
    expect(alerts.map(({ length }) => length)).toEqual([0, 1, 0]);
    expect(alerts[1]![0]!.attributes).toEqual({
      'genops.budget.name': 'team "search"',
      'genops.budget.period': 'daily',
      'genops.budget.consumed': expect.closeTo(2 * COST, 18),
      'genops.budget.allocated': COST * 2.5,
      'genops.budget.utilization_percent': expect.closeTo(80, 9),
    });
    expect(checkCompliance(trace.spans).claim).toBe('GenOps v0.1');
  });

  it.each([
    [1, 2, 'INHOUSE_BUDGET_EXCEEDED'],
    [1, 0.5, undefined],
    [1, 1, undefined],
  ])('C-39 D-04: enforced with a limit of %d and a cost of %d', async (limit, cost, code) => {
    const pricing = new PricingCatalogue({
      prices: [{ provider: 'gpt2', model: 'gpt2', inputCostPerMillion: 0, outputCostPerMillion: cost * 1e5 }],
    });
    const { governed, served } = bench({ governancePolicy: 'enforced', dailyBudgetLimit: limit, pricing });
    const outcome = await governed.complete(REQUEST).catch((error) => error);
    expect(outcome.code).toBe(code);
    expect(served.length).toBe(code ? 0 : 1);
    expect(governed.costSummary().totalCostUsd).toBe(code ? 0 : cost);
  });

  it.each([
    [94.9, 'enforced', true],
    [94.9, 'strict', true],
    [95, 'enforced', true],
    [95, 'strict', false],
    [100, 'enforced', false],
  ] as const)('C-40: at %d %% of a budget, %s lets a call through: %s', async (percent, mode, passes) => {
    const { governed, served } = bench({ governancePolicy: mode, dailyBudgetLimit: 1 });
    governed.governance.budgets.record({}, percent / 100);
    const outcome = await governed.complete(REQUEST).catch((error) => error);
    expect(served.length).toBe(passes ? 1 : 0);
    if (!passes) expect(governanceOf(outcome)!.decision.reasonCode).toBe('BUDGET_EXCEEDED');
  });

  it('C-56: the error tells limit, usage and the cost of the operation', async () => {
    const { governed } = bench({ governancePolicy: 'enforced', hourlyBudgetLimit: reserve * 1.5 });
    await governed.complete(REQUEST);
    const error = (await rejection(governed.complete(REQUEST))) as BudgetExceededError;
    expect(error).toBeInstanceOf(BudgetExceededError);
    expect(error.details).toMatchObject({ period: 'hourly', limitUsd: reserve * 1.5, usedUsd: COST });
    expect(error.details.operationUsd).toBeCloseTo(reserve, 15);
  });

  it('budgets of a team hold for the calls of a session of that team', async () => {
    const budgets = [{ scope: 'team', value: 'search', limitsUsd: { daily: reserve * 1.5 } }] as const;
    const { governed } = bench({ governancePolicy: 'enforced', budgets });
    await governed.trackSession({ id: 's1', attributes: { team: 'search' } }, async () => {
      await governed.complete(REQUEST, { sessionId: 's1' });
      const error = await rejection(governed.complete(REQUEST, { sessionId: 's1' }));
      expect(error).toBeInstanceOf(BudgetExceededError);
    });
    await governed.complete(REQUEST);
  });

  it('a budget for all calls may be given with the others, by the calendar', async () => {
    const budgets = [{ alignment: 'calendar', limitsUsd: { daily: 5, monthly: undefined } }] as const;
    const { governed } = bench({ budgets });
    expect(governed.costSummary()).toMatchObject({ dailyBudgetLimit: 5, monthlyBudgetLimit: undefined });
    const [overall] = governed.budgetStatus().budgets;
    expect(overall!.periods.map(({ period }) => period)).toEqual(['daily', 'monthly']);
    expect(() => bench({ budgets, hourlyBudgetLimit: 1 })).toThrow('two budgets for all calls');
  });

  it('C-55: every cost above 80 % of the day is worth a warning, at 80 % none is', async () => {
    const warn = vi.fn();
    const logger = { ...SILENT, isLevelEnabled: (l: string) => l === 'warn', warn };
    const { governed } = bench({ dailyBudgetLimit: 10, alertThresholds: [], logger });
    governed.governance.budgets.record({}, 8 - COST);
    await governed.complete(REQUEST);
    expect(warn).not.toHaveBeenCalled();
    governed.governance.budgets.record({}, 0.01);
    await governed.complete(REQUEST);
    await governed.complete(REQUEST);
    expect(warn.mock.calls.map(([, message]) => message)).toEqual([
      'Daily budget nearly used',
      'Daily budget nearly used',
    ]);
    const quiet = bench({ dailyBudgetLimit: COST, alertThresholds: [], enableCostAlerts: false, logger });
    await quiet.governed.complete(REQUEST);
    expect(warn).toHaveBeenCalledTimes(2);
  });

  it.each(['yes', '', 5])('C-44 D-12: the policy %j is refused', (governancePolicy) => {
    expect(() => govern(stub(), { governancePolicy: governancePolicy as never })).toThrow(
      'Invalid governance policy',
    );
  });

  it.each([
    { dailyBudgetLimit: 0 },
    { hourlyBudgetLimit: -1 },
    { monthlyBudgetLimit: Number.NaN },
    { budgets: [{ limitsUsd: { daily: 0 } }] },
    { tenants: { acme: { limitsUsd: { daily: -1 } } } },
  ])('C-44 D-12: %j is refused', (options) => {
    expect(() => govern(stub(), options)).toThrow('Budget limit must be positive');
  });

  it.each<[object, string]>([
    [{ budgets: [{ scope: 'team' }] }, 'budgets[0]: limitsUsd is undefined'],
    [{ budgets: [{ scope: 'team', vlaue: 'x', limitsUsd: {} }] }, 'budgets[0]: unknown option "vlaue"'],
    [{ budgets: [{ limitsUsd: {} }, { scope: 'teams', limitsUsd: {} }] }, 'budgets[1]: scope is "teams"'],
    [{ budgets: [{ value: 'search', limitsUsd: { daily: 1 } }] }, 'budgets[0]: value is "search"'],
    [{ tenants: { acme: null } }, 'tenants: acme is null'],
    [{ tenants: ['acme'] }, 'tenants is an array'],
    [{ tenants: { acme: { policy: 'Strict' } } }, 'tenants.acme: policy is "Strict"'],
    [{ tenants: { acme: { limitUsd: { daily: 1 } } } }, 'tenants.acme: unknown option "limitUsd"'],
    [{ tenants: { acme: { limitsUsd: { dialy: 1 } } } }, 'tenants.acme: period is "dialy"'],
    [{ tagRules: [{ ...requiredRule('a'), severity: 'blocked' }] }, 'tagRules[0]: severity is "blocked"'],
    [{ tagRules: [{ ...requiredRule('a'), kind: 'requierd' }] }, 'tagRules[0]: kind is "requierd"'],
    [{ tagRules: [{ ...patternRule('a', /a/), pattern: 'a' }] }, 'tagRules[0]: pattern is "a"'],
    [
      { tagRules: [{ kind: 'required', attribute: 'a', severity: 'block' }] },
      'tagRules[0]: name is undefined',
    ],
    [{ serviceLevel: { latencyTarget: 100 } }, 'serviceLevel: unknown option "latencyTarget"'],
    [{ requestTimeoutMs: 3e9 }, 'requestTimeoutMs is 3000000000'],
    [{ policies: new Array(1) }, 'policies is an array'],
    [
      { clock: { now: () => 0 } },
      'clock is an object; it must be an object with the functions now, monotonic',
    ],
    [{ ledger: {} }, 'functions append, load, flush, close'],
    [{ logger: console }, 'functions isLevelEnabled'],
    [{ pricing: { rates: {} } }, 'it must be a PricingCatalogue'],
    [{ tracerProvider: {} }, 'functions getTracer'],
    [{ meterProvider: {} }, 'functions getMeter'],
    [{ captureContent: 'yes' }, 'captureContent is "yes"'],
  ])('%j is refused with the place of the mistake', (options, place) => {
    expect(() => govern(stub(), options)).toThrow(
      expect.objectContaining({ name: 'InvalidInputError', message: expect.stringContaining(place) }),
    );
  });

  it.each([null, 5, 'enforced', [], () => ({})])('options that are %j are refused', (options) => {
    expect(() => govern(stub(), options as never)).toThrow(
      expect.objectContaining({
        name: 'InvalidInputError',
        message: expect.stringContaining('govern: options must be an object, not'),
      }),
    );
  });

  it.each([undefined, null, 5, {}, Object.assign(stub(), { health: undefined })])(
    '%j is no provider, and what to pass is said',
    (provider) => {
      expect(() => govern(provider as never)).toThrow(
        expect.objectContaining({
          name: 'InvalidInputError',
          message: expect.stringContaining('it must be a provider, such as local(model)'),
        }),
      );
    },
  );

  it('an option that is unknown is refused by name', () => {
    expect(() => govern(stub(), { dailyBudget: 5 } as never)).toThrow('unknown option "dailyBudget"');
  });
});

describe('governance that is switched off', () => {
  it('C-43: no check is made, whatever is configured; costs are still counted', async () => {
    const { governed } = bench({
      enableGovernance: false,
      governancePolicy: 'strict',
      dailyBudgetLimit: COST / 2,
      tagRules: [enumRule('environment', ['test'], { severity: 'block' })],
      policies: [{ name: 'model_access', conditions: { allowedModels: ['other'] } }],
    });
    const { governance } = await governed.complete(REQUEST);
    expect(governance.decisions).toEqual([]);
    expect(governed.costSummary()).toMatchObject({ governanceEnabled: false });
    expect(governed.costSummary().totalCostUsd).toBeCloseTo(COST, 18);
    expect(governed.auditRecords()).toEqual([]);
  });

  it('C-28: without cost tracking everything costs 0, and nothing fails', async () => {
    const { governed, trace } = bench({
      costTrackingEnabled: false,
      governancePolicy: 'strict',
      dailyBudgetLimit: 1e-12,
    });
    const { governance } = await governed.complete(REQUEST);
    expect(governance.cost).toMatchObject({ estimatedUsd: 0, actualUsd: 0 });
    expect(trace.only().attributes['genops.cost.total']).toBe(0);
    expect((await governed.stream(REQUEST).result).finishReason).toBe('stop');
  });

  it('C-28 D-05: without telemetry there is no span, and governance works', async () => {
    const { governed, trace } = bench({
      telemetryEnabled: false,
      governancePolicy: 'enforced',
      dailyBudgetLimit: COST,
    });
    await governed.complete(REQUEST);
    expect(await rejection(governed.complete(REQUEST))).toBeInstanceOf(BudgetExceededError);
    expect(trace.spans).toEqual([]);
  });
});

describe('policies of a governed call', () => {
  it('C-37 C-38: are evaluated in order; the first that stops ends it, in advisory all are told', async () => {
    const policies = [
      { name: 'one', type: 'model_access', conditions: { allowedModels: ['x'] }, enforcement: 'warning' },
      { name: 'two', type: 'content_filter', conditions: { blockedPatterns: ['WORD'] } },
      { name: 'three', type: 'team_access', conditions: { allowedTeams: ['x'] } },
    ] as const;
    const enforced = bench({ policies, governancePolicy: 'enforced' });
    const error = await rejection(enforced.governed.complete(REQUEST));
    expect(error).toBeInstanceOf(PolicyViolationError);
    expect(governanceOf(error)!.decisions.map(({ policy, result }) => [policy, result])).toEqual([
      ['one', 'WARNING'],
      ['two', 'BLOCKED'],
    ]);
    const advisory = bench({ policies });
    const { governance } = await advisory.governed.complete(REQUEST);
    expect(governance.decisions.map(({ policy, result }) => [policy, result])).toEqual([
      ['one', 'WARNING'],
      ['two', 'WARNING'],
      ['three', 'WARNING'],
    ]);
  });

  it('C-33: a limit on cost judges the estimate', async () => {
    const limit = (maxCost: number) => ({
      governancePolicy: 'enforced' as const,
      policies: [{ name: 'demo', type: 'cost_limit', conditions: { maxCost } }],
    });
    await bench(limit(COST)).governed.complete(REQUEST);
    const { governed, served } = bench(limit(COST * 0.99));
    expect(await rejection(governed.complete(REQUEST))).toBeInstanceOf(PolicyViolationError);
    expect(served).toEqual([]);
  });

  it('C-34: a rate is counted over the calls of the provider', async () => {
    const policies = [{ name: 'rate_limit', conditions: { maxRequestsPerMinute: 2 } }];
    const { governed, clock } = bench({ policies, governancePolicy: 'enforced' });
    await governed.complete(REQUEST);
    await governed.embed({ model: 'gpt2', input: 'x' });
    expect(await rejection(governed.stream(REQUEST).result)).toMatchObject({
      code: 'INHOUSE_POLICY_RATE_LIMITED',
    });
    clock.advance(60_001);
    await governed.complete(REQUEST);
  });

  it('C-35: an output that is refused is paid for, and not handed out', async () => {
    const policies = [
      { name: 'content_filter', conditions: { blockedPatterns: ['dword'], checkOutput: true } },
    ];
    const { governed } = bench({ policies, governancePolicy: 'enforced' });
    const error = await rejection(governed.complete({ ...REQUEST, prompt: 'harmless' }));
    expect(error).toBeInstanceOf(PolicyViolationError);
    expect(governanceOf(error)!.cost.actualUsd).toBeGreaterThan(0);
    expect(governed.costSummary().totalCostUsd).toBe(governanceOf(error)!.cost.actualUsd);
    expect(nothingHeld({ governed })).toBe(true);
    const advisory = bench({ policies });
    expect((await advisory.governed.complete({ ...REQUEST, prompt: 'x' })).governance.decision.result).toBe(
      'WARNING',
    );
  });

  it('a filter objects to token ids, which it cannot read', async () => {
    const policies = [{ name: 'content_filter', conditions: { blockedPatterns: ['x'] } }];
    const { governed, served } = bench({ policies, governancePolicy: 'enforced' });
    const error = await rejection(governed.complete({ ...REQUEST, prompt: [1, 2, 3] }));
    expect(governanceOf(error)!.decision.reasonCode).toBe('x_evaluation_failed');
    expect(served).toEqual([]);
  });

  it('policies can be added while calls run', async () => {
    const { governed } = bench({ governancePolicy: 'enforced' });
    await governed.complete(REQUEST);
    governed.governance.policies.register({ name: 'model_access', conditions: { allowedModels: ['x'] } });
    expect(await rejection(governed.complete(REQUEST))).toBeInstanceOf(PolicyViolationError);
  });
});

describe('costs of a governed call', () => {
  it('C-84: a model without a price is guessed with a warning; strict mode refuses it', async () => {
    const warn = vi.fn();
    const logger = { ...SILENT, isLevelEnabled: (l: string) => l === 'warn', warn };
    const models = ['mystery-70b'];
    const request = { ...REQUEST, model: 'mystery-70b' };
    const { governed } = bench({ logger }, { models, name: 'stub' });
    expect((await governed.complete(request)).governance.cost.actualUsd).toBeGreaterThan(0);
    expect(governed.governance.pricing.lookup('mystery-70b')).toBeUndefined();
    expect(warn.mock.calls[0]).toEqual([
      { model: 'mystery-70b', assumption: expect.stringContaining('70b') },
      'No price for the model',
    ]);
    const strict = bench({ governancePolicy: 'strict' }, { models, name: 'stub' });
    const error = await rejection(strict.governed.complete(request));
    expect(governanceOf(error)!.decision.reasonCode).toBe('x_unknown_price');
    expect(strict.served).toEqual([]);
  });

  it('C-88: the price of the tokens and the cost of the computation stand side by side', async () => {
    const now = vi.fn().mockReturnValueOnce(0).mockReturnValue(3600_000);
    const { governed, trace } = bench({}, { now });
    const { governance } = await governed.complete(REQUEST);
    const hourUsd = 0.05 + 0.1 * 0.12;
    expect(governance.cost.actualUsd).toBeCloseTo(COST, 18);
    expect(governance.cost.infrastructureUsd).toBeCloseTo(hourUsd, 12);
    expect(trace.only().attributes).toMatchObject({
      'genops.cost.type': 'token',
      'genops.cost.total': governance.cost.actualUsd,
    });
    expect(governed.costSummary().totalInfrastructureUsd).toBeCloseTo(hourUsd, 12);
  });

  it('C-88: charged by infrastructure, the total is what the computation cost', async () => {
    const now = vi.fn().mockReturnValueOnce(0).mockReturnValue(3600_000);
    const { governed, trace } = bench(
      { pricing: new PricingCatalogue({ charge: 'infrastructure' }) },
      { now },
    );
    const { governance } = await governed.complete(REQUEST);
    expect(governance.cost.actualUsd).toBe(governance.cost.infrastructureUsd);
    expect(trace.only().attributes['genops.cost.type']).toBe('infrastructure');
  });

  it('C-87: a call that was computed together with others is charged its share of the time', async () => {
    const hourMs = 3600_000;
    const { provider } = bench();
    const batched: Provider = {
      ...provider,
      complete: async (request, call) => ({
        ...(await provider.complete(request, call)),
        timings: { queueMs: 0, computeMs: hourMs / 16, totalMs: hourMs },
      }),
    };
    const { governance } = await govern(batched).complete(REQUEST);
    expect(governance.cost.infrastructureUsd).toBeCloseTo((0.05 + 0.1 * 0.12) / 16, 12);
  });

  it('C-24: the reconciliation tells the difference of what was held and what it cost', async () => {
    const { governed, trace } = bench({}, { text: 'word'.repeat(4) });
    const { governance } = await governed.complete(REQUEST);
    expect(governance.cost.deltaUsd).toBeCloseTo((-6 * 0.02) / 1e6, 15);
    const event = trace.only().events.find(({ name }) => name === 'genops.budget.reconciliation')!;
    expect(event.attributes!['genops.accounting.reconciliation_delta']).toBe(governance.cost.deltaUsd);
  });

  it('C-41: strict mode ends a stream at its reservation, with the reason budget', async () => {
    // An output price that the estimate does not know of: the model writes more than was reserved for.
    const inner = stub({ name: 'gpt2', text: 'word'.repeat(50) });
    const inexact = Object.create(inner, {
      capabilities: { value: { ...inner.capabilities, exactTokenCounts: false } },
      countTokens: { value: () => 0 },
      stream: { value: (request: typeof REQUEST) => inner.stream({ ...request, maxTokens: 50 }) },
    });
    const governed = govern(inexact, { governancePolicy: 'strict' });
    const stream = governed.stream({ ...REQUEST, maxTokens: 20 });
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    const result = await stream.result;
    expect(result.finishReason).toBe('budget');
    expect(result.choices[0]!.finishReason).toBe('budget');
    expect(chunks.at(-1)).toMatchObject({ finishReason: 'budget' });
    expect(chunks.map(({ text }) => text).join('')).toBe(result.text);
    expect(result.usage.completionTokens).toBeLessThan(50);
    expect(result.usage.completionTokens).toBeGreaterThanOrEqual(20);
    expect(nothingHeld({ governed })).toBe(true);
    const enforced = await govern(inexact, { governancePolicy: 'enforced' }).stream(REQUEST).result;
    expect(enforced.finishReason).not.toBe('budget');
  });

  it('C-41: a reservation that is an upper bound never cuts', async () => {
    const { governed } = bench({ governancePolicy: 'strict' });
    expect(await governed.stream(REQUEST).result).toMatchObject({ finishReason: 'stop' });
  });

  it('T-34: each chunk tells what the call has cost with it, the last the whole', async () => {
    const { governed } = bench();
    const stream = governed.stream(REQUEST);
    const costs: number[] = [];
    for await (const { costUsd } of stream) costs.push(costUsd);
    expect(costs.length).toBeGreaterThan(5);
    expect(costs).toEqual([...costs].sort((a, b) => a - b));
    expect(costs.at(-1)).toBe((await stream.result).governance.cost.actualUsd);
  });

  it('C-27: costs are booked once, in budgets, totals, ledger and session, failures included', async () => {
    const fault = (call: number) => (call % 3 === 0 ? crash : undefined);
    const { governed } = bench({ maxRetries: 1 }, { fault, tokensBeforeFault: 2, text: 'word'.repeat(10) });
    await governed.trackSession({ id: 's' }, async (session) => {
      let sum = 0;
      for (let i = 0; i < 1000; i++) {
        const call =
          i % 2 === 0
            ? governed.complete(REQUEST, { sessionId: 's' })
            : governed.stream(REQUEST, { sessionId: 's' }).result;
        const { cost } = await call.then(
          ({ governance }) => governance,
          (error) => governanceOf(error)!,
        );
        sum += cost.actualUsd;
      }
      const entries = (await governed.governance.ledger.load()).filter(({ type }) => type === 'cost');
      expect(entries.length).toBe(1000);
      expect(new Set(entries.map((entry) => 'operationId' in entry && entry.operationId)).size).toBe(1000);
      const summary = governed.costSummary();
      expect(summary.totalOperations).toBe(1000);
      for (const total of [
        summary.totalCostUsd,
        summary.dailyCosts,
        session.totalCost,
        governed.budgetStatus().totalCostUsd,
      ]) {
        expect(total).toBeCloseTo(sum, 15);
      }
    });
  });

  it('D-33: costs on the span are numbers', async () => {
    const { governed, trace } = bench();
    await governed.complete(REQUEST);
    expect(trace.only().attributes['genops.cost.total']).toBeTypeOf('number');
  });

  it('a router is one call, priced at whoever served it', async () => {
    const full = new ProviderError('INHOUSE_PROVIDER_RATE_LIMITED', 'full');
    const near = stub({ name: 'gpt2', fault: () => full });
    const far = stub({ name: 'together', models: ['Qwen/Qwen2.5-Coder-32B-Instruct'], kind: 'remote' });
    const routes = [{ provider: near }, { provider: far, model: 'Qwen/Qwen2.5-Coder-32B-Instruct' }];
    const governed = govern(router(routes));
    const { governance, provider, usage } = await governed.complete(REQUEST);
    expect(provider).toBe('together');
    expect(governance.attempts).toBe(1);
    expect(governance.cost.actualUsd).toBeCloseTo((usage.totalTokens * 0.3) / 1e6, 15);
    expect(governed.costSummary()).toMatchObject({ totalOperations: 1, uniqueProviders: ['together'] });
  });
});

describe('retry, breaker and admission around a governed call', () => {
  it('D-01 C-63 C-64: a first attempt that fails is tried again, up to 1 + maxRetries times', async () => {
    const recovering = bench({}, { fault: failFirst(2, () => crash) });
    expect((await recovering.governed.complete(REQUEST)).governance.attempts).toBe(3);
    expect(recovering.waits).toEqual([1000, 2000]);
    const failing = bench({}, { fault: () => crash });
    expect(await rejection(failing.governed.complete(REQUEST))).toBe(crash);
    expect([failing.served.length, failing.waits]).toEqual([4, [1000, 2000, 4000]]);
    const once = bench({ enableRetry: false }, { fault: () => crash });
    await rejection(once.governed.complete(REQUEST));
    expect(once.served.length).toBe(1);
  });

  it('budgets are reserved once for all attempts, and each attempt that computed is paid for', async () => {
    const usage = { promptTokens: 10, completionTokens: 5, totalTokens: 15 };
    const cut = new ProviderError('INHOUSE_PROVIDER_FAILED', 'cut', { details: { usage } });
    const { governed, trace } = bench({}, { fault: failFirst(1, () => cut) });
    const { governance } = await governed.complete(REQUEST);
    expect(governance.cost.actualUsd).toBeCloseTo(COST + (10 * 0.01 + 5 * 0.02) / 1e6, 18);
    expect(eventNames(trace.only()).filter((name) => name === 'genops.budget.reservation').length).toBe(1);
    expect(checkCompliance(trace.spans).claim).toBe('GenOps v0.1');
  });

  it('a stream is tried again only while nobody has seen a part of it', async () => {
    const unseen = bench({}, { fault: failFirst(1, () => crash) });
    expect((await unseen.governed.stream(REQUEST).result).governance.attempts).toBe(2);
    const seen = bench({}, { fault: failFirst(1, () => crash), tokensBeforeFault: 3 });
    const stream = seen.governed.stream(REQUEST);
    let text = '';
    const error = await rejection(
      (async () => {
        for await (const chunk of stream) text += chunk.text;
      })(),
    );
    expect(error).toBe(crash);
    expect(text).toBe('word'.repeat(3));
    expect(governanceOf(error)!.cost.actualUsd).toBeCloseTo((10 * 0.01 + 3 * 0.02) / 1e6, 18);
  });

  it('D-02 C-62: an open circuit stops a call before tokens are counted or the provider is asked', async () => {
    const setup = bench(
      {
        enableCircuitBreaker: true,
        circuitBreakerThreshold: 2,
        enableRetry: false,
        policies: [{ name: 'cost_limit', conditions: { maxCost: 1 } }],
      },
      { fault: failFirst(2, () => crash) },
    );
    const { governed, clock } = setup;
    await rejection(governed.complete(REQUEST));
    await rejection(governed.complete(REQUEST));
    const [served, counted] = [setup.served.length, setup.counted];
    expect(await rejection(governed.complete(REQUEST))).toBeInstanceOf(CircuitOpenError);
    expect([setup.served.length, setup.counted]).toEqual([served, counted]);
    clock.advance(60_001);
    await governed.complete(REQUEST);
    expect(governed.status().circuitBreaker!.state).toBe('CLOSED');
  });

  it('D-17: refused calls do not open the circuit, and give up the probe’s place', async () => {
    const { governed, clock } = bench({
      enableCircuitBreaker: true,
      circuitBreakerThreshold: 1,
      governancePolicy: 'enforced',
      dailyBudgetLimit: COST * 1.5,
    });
    const { breaker } = governed.governance;
    breaker!.failure(crash);
    clock.advance(60_001);
    const big = { ...REQUEST, maxTokens: 1000 };
    expect(await rejection(governed.complete(big))).toBeInstanceOf(BudgetExceededError);
    expect(breaker!.state).toBe('HALF_OPEN');
    await governed.complete(REQUEST);
    expect(breaker!.state).toBe('CLOSED');
  });

  it('a stream that its reader leaves unanswered neither closes the circuit nor ends a row of failures', async () => {
    let hangs = false;
    const { governed, clock } = bench(
      {
        enableRetry: false,
        enableCircuitBreaker: true,
        circuitBreakerThreshold: 2,
      },
      { serviceMs: () => (hangs ? 60_000 : 0), fault: () => (hangs ? undefined : crash) },
    );
    const { breaker } = governed.governance;
    const leaveUnanswered = async () => {
      hangs = true;
      const stream = governed.stream(REQUEST);
      await stream[Symbol.asyncIterator]().return!();
      expect((await stream.result).usage.completionTokens).toBe(0);
      hangs = false;
    };
    await rejection(governed.complete(REQUEST));
    await leaveUnanswered();
    expect(breaker!.status()).toMatchObject({ state: 'CLOSED', consecutiveFailures: 1 });
    await rejection(governed.complete(REQUEST));
    clock.advance(60_001);
    await leaveUnanswered();
    expect(breaker!.state).toBe('HALF_OPEN');
    expect(await rejection(governed.complete(REQUEST))).toBe(crash); // the probe's place was free
    expect(breaker!.state).toBe('OPEN');
  });

  it('a full queue is waited for where the options say so', async () => {
    const waits: number[] = [];
    const admission = { maxConcurrent: 1, maxQueueSize: 1 };
    const options: GovernOptions = { admission, retryWhenQueueFull: true };
    const { governed } = bench(
      { ...options, sleep: async (ms) => void waits.push(ms, (await Promise.all(others)).length) },
      { serviceMs: 5 },
    );
    const others = [governed.complete(REQUEST), governed.complete(REQUEST)];
    expect((await governed.complete(REQUEST)).governance.attempts).toBe(1);
    expect(waits).toEqual([30_000, 2]);
  });

  it('G-32: nothing is logged where a place is taken or given back', async () => {
    const stacks: string[] = [];
    const note = () => void stacks.push(new Error('logged').stack!);
    const logger = {
      level: 'debug',
      isLevelEnabled: () => true,
      debug: note,
      info: note,
      warn: note,
      error: note,
    };
    const { governed } = bench(
      { logger, admission: { maxConcurrent: 1, maxQueueSize: 1 } },
      { serviceMs: 5 },
    );
    const outcomes = await Promise.allSettled([1, 2, 3].map(() => governed.complete(REQUEST)));
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected']);
    expect(stacks.length).toBe(1);
    expect(stacks.join()).not.toContain('admission.');
  });

  it('G-05: a stream keeps its place to the last byte', async () => {
    const { governed } = bench({}, { serviceMs: 20 });
    const stream = governed.stream(REQUEST);
    for await (const { finishReason } of stream) {
      if (finishReason === undefined) expect(governed.status().admission.running).toBe(1);
    }
    await stream.result;
    expect(governed.status().admission.running).toBe(0);
  });

  it('a reader who leaves while the provider is silent ends the call at once', async () => {
    const { governed } = bench(
      {},
      {
        sleep: (ms, signal) =>
          new Promise((_, reject) => (ms > 0 ? signal.addEventListener('abort', reject) : reject())),
        serviceMs: (call) => (call === 0 ? 1e9 : 0),
      },
    );
    const stream = governed.stream(REQUEST);
    const chunks = stream[Symbol.asyncIterator]();
    const next = chunks.next();
    await chunks.return!();
    expect((await stream.result).finishReason).toBe('abort');
    expect((await next).done).toBe(true);
    expect(nothingHeld({ governed })).toBe(true);
  });

  it('a reader who leaves the queue frees its place there, and the provider is asked for nothing', async () => {
    const { governed, served, trace } = bench(
      { admission: { maxConcurrent: 1, maxQueueSize: 1 }, enableCircuitBreaker: true },
      { serviceMs: 20 },
    );
    const running = governed.complete(REQUEST);
    const stream = governed.stream({ ...REQUEST, n: 2 }, { signal: new AbortController().signal });
    await stream[Symbol.asyncIterator]().return!();
    const result = await stream.result;
    expect(result).toMatchObject({ text: '', finishReason: 'abort', usage: { totalTokens: 0 } });
    expect(result.choices.map(({ finishReason }) => finishReason)).toEqual(['abort', 'abort']);
    expect(result.governance).toMatchObject({ attempts: 0, cost: { actualUsd: 0 } });
    expect(governed.status().admission).toMatchObject({ running: 1, queueDepth: 0 });
    await Promise.all([running, governed.complete(REQUEST)]);
    expect(served.length).toBe(2);
    expect(nothingHeld({ governed })).toBe(true);
    expect(checkCompliance(trace.spans).claim).toBe('GenOps v0.1');
  });

  it('a reader who leaves between two attempts ends the wait, and the provider is not asked again', async () => {
    let leave: () => void = () => {};
    const { governed, served } = bench(
      {
        sleep: (_, signal) =>
          new Promise((_, reject) => {
            signal!.addEventListener('abort', reject);
            leave();
          }),
      },
      { fault: () => crash },
    );
    const stream = governed.stream(REQUEST);
    const chunks = stream[Symbol.asyncIterator]();
    leave = () => void chunks.return!();
    const { finishReason, governance } = await stream.result;
    expect([finishReason, governance.attempts, served.length]).toEqual(['abort', 1, 1]);
    expect(nothingHeld({ governed })).toBe(true);
  });

  it('a caller who aborts a stream between two attempts learns that from its result', async () => {
    const controller = new AbortController();
    const { governed } = bench({ sleep: undefined }, { fault: () => crash });
    const stream = governed.stream(REQUEST, { signal: controller.signal });
    setTimeout(() => controller.abort(), 5);
    expect(await rejection(stream.result)).toMatchObject({ code: 'INHOUSE_ABORTED' });
  });

  it('a stream that nobody reads runs to its end and is settled', async () => {
    const { governed } = bench();
    const { governance } = await governed.stream(REQUEST).result;
    expect(governance.cost.actualUsd).toBeCloseTo(COST, 18);
    expect(nothingHeld({ governed })).toBe(true);
  });

  it('D-05 C-66: the time limit of the options reaches the provider, the call’s own wins', async () => {
    const { governed, served } = bench({ requestTimeoutMs: 1234 });
    await governed.complete(REQUEST);
    await governed.complete(REQUEST, { timeoutMs: 99 });
    expect(served.map(({ call }) => call?.timeoutMs)).toEqual([1234, 99]);
  });

  it.each([
    ['standard', 3, 60_000, 1],
    ['highVolume', 3, 30_000, 0.1],
    ['extreme', 2, 15_000, 0.01],
  ] as const)('A-56: the profile %s', async (name, retries, timeoutMs, rate) => {
    const { governed, trace } = bench(GOVERN_PROFILES[name]);
    const { breaker, requestTimeoutMs, retry } = governed.governance;
    expect([retry.maxRetries, requestTimeoutMs, breaker?.state]).toEqual([retries, timeoutMs, 'CLOSED']);
    for (let i = 0; i < 100; i++) await governed.complete(REQUEST);
    expect(trace.spans.length).toBe(100 * rate);
  });
});

describe('what a governed call tells', () => {
  it('C-22 C-23: every way a call can end leaves spans that comply', async () => {
    const { governed, trace, clock } = bench(
      {
        governancePolicy: 'strict',
        policies: [{ name: 'content_filter', conditions: { blockedPatterns: ['secret'] } }],
        dailyBudgetLimit: COST * 6,
        enableCircuitBreaker: true,
        circuitBreakerThreshold: 1,
        enableRetry: false,
      },
      { fault: (call) => (call === 3 ? crash : undefined) },
    );
    await governed.complete(REQUEST);
    await governed.stream(REQUEST).result;
    await rejection(governed.complete({ ...REQUEST, prompt: 'a secret' }));
    await rejection(governed.complete({ ...REQUEST, maxTokens: 1000 }));
    await rejection(governed.complete(REQUEST, { signal: AbortSignal.abort() }));
    await rejection(governed.complete(REQUEST)); // fails, and opens the circuit
    await rejection(governed.complete(REQUEST));
    clock.advance(60_001);
    await governed.complete(REQUEST);
    await rejection(governed.complete({ ...REQUEST, model: 'mystery' }));
    const report = checkCompliance(trace.spans);
    expect(report).toEqual({ operations: 9, violations: [], claim: 'GenOps v0.1' });
  });

  it('C-42: strict mode records every decision, with what was asked only as a hash', async () => {
    const records: unknown[] = [];
    const { governed } = bench({
      governancePolicy: 'strict',
      attributes: { team: 'search' },
      dailyBudgetLimit: COST * 1.5,
      onAudit: (record) => records.push(record),
    });
    await governed.complete(REQUEST);
    await rejection(governed.complete(REQUEST));
    expect(governed.auditRecords()).toEqual(records);
    expect(records).toMatchObject([
      { sequence: 1, result: 'ALLOWED', beforeUsd: 0, actor: { team: 'search' } },
      { sequence: 2, result: 'BLOCKED', reasonCode: 'BUDGET_RESERVATION_FAILED' },
    ]);
    expect(JSON.stringify(records)).not.toContain('word');
  });

  it('D-31: what an error says reaches the span redacted, and the error itself does not', async () => {
    const leak = new ProviderError('INHOUSE_PROVIDER_REJECTED', 'denied: api_key=sk-abcdefgh12345678');
    const { governed, trace } = bench({}, { fault: () => leak });
    await rejection(governed.complete(REQUEST));
    const { attributes, events, status } = trace.only();
    expect(JSON.stringify([attributes, events, status])).not.toContain('sk-abcdefgh');
    expect(attributes['genops.error.message']).toContain('denied');
  });

  it('C-03: neither prompt nor answer is on the span, unless asked for', async () => {
    const { governed, trace } = bench();
    await governed.complete(REQUEST);
    await governed.stream(REQUEST).result;
    expect(JSON.stringify(trace.spans.map(({ attributes, events }) => [attributes, events]))).not.toContain(
      'word',
    );
    const open = bench({ captureContent: true });
    await open.governed.complete(REQUEST);
    expect(JSON.stringify(open.trace.only().attributes)).toContain('word');
  });

  it('C-18: a stream’s time to the first token is on its span, and no longer than the whole', async () => {
    const { governed, trace } = bench({ clock: undefined }, { serviceMs: 30 });
    await governed.stream(REQUEST).result;
    const { attributes } = trace.only();
    const first = attributes['genops.gpt2.performance.ttft_ms'] as number;
    expect(first).toBeGreaterThan(0);
    expect(first).toBeLessThanOrEqual(attributes['genops.gpt2.performance.latency_ms'] as number);
    expect(attributes['genops.gpt2.performance.tokens_per_second']).toBeGreaterThan(0);
  });

  it('whatever tells how long a call took says the same, with its failed attempt and the wait after it', async () => {
    const meter = metering();
    let asked = 0;
    const setup = bench(
      { meterProvider: meter.provider },
      {
        fault: () => {
          setup.clock.advance(40);
          return asked++ === 0 ? crash : undefined;
        },
      },
    );
    const { governance } = await setup.governed.complete(REQUEST);
    const wholeMs = 40 + setup.waits[0]! + 40;
    expect(governance).toMatchObject({ attempts: 2, durationMs: wholeMs });
    const { attributes, startTime, endTime, events } = setup.trace.only();
    const sinceStart = ([seconds, nanoseconds]: readonly [number, number]) =>
      (seconds - startTime[0]) * 1000 + (nanoseconds - startTime[1]) / 1e6;
    expect(attributes['genops.gpt2.performance.latency_ms']).toBe(wholeMs);
    expect(sinceStart(endTime)).toBe(wholeMs);
    const attempts = events.filter(({ name }) => name === 'genops.attempt');
    expect(attempts.map(({ time }) => sinceStart(time))).toEqual([40, wholeMs]);
    const entries = await setup.governed.governance.ledger.load();
    expect(entries.find(({ type }) => type === 'cost')).toMatchObject({ durationMs: wholeMs });
    const [duration] = (await meter.read()).get('genops_operation_duration_seconds')!;
    expect(duration!.sum).toBe(wholeMs / 1000);
  });

  it('C-19: metrics count every call, refused ones and failures too', async () => {
    const meter = metering();
    const { governed } = bench(
      {
        meterProvider: meter.provider,
        enableRetry: false,
        governancePolicy: 'enforced',
        policies: [{ name: 'content_filter', conditions: { blockedPatterns: ['secret'] } }],
      },
      { fault: (call) => (call === 1 ? crash : undefined) },
    );
    await governed.complete(REQUEST);
    await rejection(governed.complete(REQUEST));
    await rejection(governed.complete({ ...REQUEST, prompt: 'a secret' }));
    await rejection(governed.complete({ ...REQUEST, maxTokens: 0 }));
    const points = await meter.read();
    const total = (name: string) => points.get(name)!.reduce((sum, { value }) => sum + value, 0);
    expect(total('genops_operations_total')).toBe(3);
    expect(total('genops_operation_errors_total')).toBe(2);
    expect(points.get('genops_policy_violations_total')).toMatchObject([
      { labels: { policy_name: 'content_filter' }, value: 1 },
    ]);
    const invalid = points.get('errors_total')!.find(({ labels }) => labels.component === 'governance')!;
    expect(invalid).toMatchObject({ labels: { error_type: 'INHOUSE_INVALID_OPTION' }, value: 1 });
  });

  it('requests keep the id that they are given; operations have one of their own', async () => {
    const { governed, trace } = bench();
    const ids = [];
    for (let i = 0; i < 2; i++)
      ids.push((await governed.complete(REQUEST, { requestId: 'mine' })).governance.requestId);
    expect(ids).toEqual(['mine', 'mine']);
    expect(trace.spans[0]!.attributes['genops.request_id']).toBe('mine');
    expect((await governed.governance.ledger.load()).filter(({ type }) => type === 'cost').length).toBe(2);
  });

  it('C-76: a session that nobody opened is echoed and counts nothing', async () => {
    const { governed } = bench();
    const { governance } = await governed.complete(REQUEST, { sessionId: 'nobody' });
    expect(governance.sessionId).toBe('nobody');
    expect(governed.costSummary().activeSessions).toBe(0);
  });

  it('C-81: two governed providers share nothing', async () => {
    const { provider } = spy(stub({ name: 'gpt2', text: 'word'.repeat(10) }));
    const small = govern(provider, { governancePolicy: 'enforced', dailyBudgetLimit: COST });
    const large = govern(provider, { dailyBudgetLimit: 1 });
    await small.complete(REQUEST);
    expect(await rejection(small.complete(REQUEST))).toBeInstanceOf(BudgetExceededError);
    await large.complete(REQUEST);
    expect(large.costSummary().totalOperations).toBe(1);
  });

  it('T-38: lists models with their prices, and nothing when the provider does not answer', async () => {
    const { governed, provider } = bench();
    expect(await governed.listAvailableModels()).toMatchObject([
      {
        id: 'gpt2',
        use: 'text',
        contextLength: 1024,
        price: { inputCostPerMillion: 0.01, outputCostPerMillion: 0.02 },
      },
    ]);
    provider.listModels = () => Promise.reject(crash);
    expect(await governed.listAvailableModels()).toEqual([]);
  });
});
