import { describe, expect, it } from 'vitest';
import { InvalidInputError } from '#inhouse/errors.js';
import { govern } from '#inhouse/governance/governed-provider.js';
import {
  isSetupValid,
  type SetupCheck,
  type SetupIssue,
  validateSetup,
  validationReport,
} from '#inhouse/governance/validate.js';
import { stub } from '#inhouse/providers/stub.js';

const check = (...issues: Partial<SetupIssue>[]): SetupCheck => ({
  category: 'models',
  name: 'a check',
  run: () => ({
    issues: issues.map((issue) => ({
      category: 'models',
      level: 'info',
      code: 'X',
      message: 'said',
      ...issue,
    })),
  }),
});
/** The built-in checks depend on the machine; what further checks add does not. */
const with_ = async (...checks: SetupCheck[]) => {
  const alone = await validateSetup({ variables: {} });
  const all = await validateSetup({ variables: {}, checks });
  return { alone, all, added: all.issues.slice(alone.issues.length) };
};

describe('validateSetup', () => {
  it('C-97: the score is the share of checks that passed; notes do not count against one', async () => {
    const { alone, all } = await with_(check({ level: 'info' }), check({ level: 'warning' }), check());
    expect(all.totalChecks).toBe(alone.totalChecks + 3);
    expect(all.passedChecks).toBe(alone.passedChecks + 2);
    expect(all.score).toBeCloseTo((all.passedChecks / all.totalChecks) * 100, 9);
  });

  it.each([
    ['warning', true, false],
    ['error', false, false],
    ['critical', false, true],
  ] as const)('C-97: with an issue of level %s, success is %s', async (level, success, critical) => {
    const { all } = await with_(check({ level, fix: 'do this' }));
    expect(all).toMatchObject({ success, hasErrors: !success, hasCriticalIssues: critical });
    expect(all.recommendations).toContain('do this');
    expect(await isSetupValid({ checks: [check({ level })] })).toBe(success);
    expect(validationReport(all)).toContain('said [X]');
  });

  it('C-97: a check that throws is an error of its category, its message redacted', async () => {
    const run = () => {
      throw Object.assign(new Error('refused: api_key=sk-abcdefgh12345678'), { code: 'E_REFUSED' });
    };
    const { added } = await with_({ category: 'connectivity', name: 'hub', run });
    expect(added).toMatchObject([{ category: 'connectivity', level: 'error', code: 'E_REFUSED' }]);
    expect(added[0]!.message).not.toContain('sk-abc');
  });

  it('C-97: a provider is asked for its health, its models and their prices', async () => {
    const { issues, facts } = await validateSetup({
      provider: stub({ name: 'gpt2', models: ['gpt2', 'x'] }),
    });
    expect(issues.filter(({ code }) => code === 'MODEL_ACCESSIBLE').length).toBe(2);
    expect(issues).toContainEqual(expect.objectContaining({ code: 'PRICE_MISSING', level: 'warning' }));
    expect(facts).toMatchObject({ models: ['gpt2', 'x'], prices: { gpt2: { input: 0.01 } } });
  });

  it('C-97: a provider that does not answer is critical', async () => {
    const provider = Object.assign(stub(), {
      health: async () => ({ ok: false, latencyMs: 1, problem: 'no route' }),
    });
    const { hasCriticalIssues, errors } = await validateSetup({ provider });
    expect(hasCriticalIssues).toBe(true);
    expect(errors.join()).toContain('no route');
  });

  it.each<unknown>([
    { policies: [{ name: 'cost_limit', conditions: { maxCosts: 1 } }] },
    { policies: [{ name: 'x' }] },
    { budgets: [{ scope: 'nope' }] },
    { admission: { maxConcurrent: -1 } },
    { attributes: { team: {} } },
    { operationAlerts: { highCost: 1 } },
    { operationAlerts: { errorRate: 5 } },
    { admission: { maxConcurent: 5 } },
    { pricing: { rates: { cpuWatts: 5 } } },
    { clock: { now: 5 } },
    { logger: 'console' },
    null,
    5,
    [],
  ])('C-97: what govern() refuses is an error: %j', async (options) => {
    expect(() => govern(stub(), options as object)).toThrow(InvalidInputError);
    for (const setup of [{ options }, { options, provider: stub() }]) {
      const { success, issues } = await validateSetup(setup);
      expect(success).toBe(false);
      expect(issues).toContainEqual(expect.objectContaining({ category: 'configuration', level: 'error' }));
    }
  });

  it('C-97: a ledger is not touched', async () => {
    const touched = () => {
      throw new Error('touched');
    };
    const ledger = { append: touched, load: touched, flush: touched, close: touched };
    expect(await isSetupValid({ options: { ledger, dailyBudgetLimit: 1 } })).toBe(true);
  });

  it('C-97: what is insecure is said', async () => {
    const { issues } = await validateSetup({
      options: { captureContent: true, enableGovernance: false },
      variables: { NODE_TLS_REJECT_UNAUTHORIZED: '0' },
    });
    const codes = issues.filter(({ category }) => category === 'security').map(({ code }) => code);
    expect(codes).toEqual(['CONTENT_CAPTURED', 'GOVERNANCE_DISABLED', 'TLS_UNCHECKED']);
  });

  it('C-97: variables that attribute costs are missed, unless options say it', async () => {
    const missing = async (options: object, variables: Record<string, string>) =>
      (await validateSetup({ options, variables })).issues.filter(({ code }) => code === 'GENOPS_VAR_MISSING')
        .length;
    expect(await missing({}, {})).toBe(3);
    expect(await missing({ attributes: { team: 'a' } }, { GENOPS_PROJECT: 'p' })).toBe(1);
  });
});
