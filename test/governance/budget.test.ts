import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BudgetExceededError, InvalidInputError } from '#inhouse/errors.js';
import { type BudgetAlert, BudgetManager, type BudgetOptions } from '#inhouse/governance/budget.js';
import type { BudgetDefinition } from '#inhouse/governance/budget-definition.js';
import { budgetExceeded } from '#inhouse/governance/budget-denial.js';
import { budgetReport } from '#inhouse/governance/budget-report.js';
import { PERIOD_MS, PERIODS, type Period } from '#inhouse/governance/budget-window.js';
import { MemoryLedger } from '#inhouse/governance/ledger.js';
import { FakeClock } from '../support/fake-clock.js';

function manager(limitsUsd: BudgetDefinition['limitsUsd'], more: Partial<BudgetOptions> = {}) {
  const clock = new FakeClock();
  return { clock, budgets: new BudgetManager({ budgets: [{ limitsUsd }], clock, ...more }) };
}

function periodOf(budgets: BudgetManager, period: Period) {
  return budgets.status().budgets[0]!.periods.find((each) => each.period === period)!;
}

/** Alerts as `period threshold`. */
function alertLog(): { log: string[]; onAlert: (alert: BudgetAlert) => void } {
  const log: string[] = [];
  return { log, onAlert: ({ period, threshold }) => log.push(`${period} ${threshold}`) };
}

describe('windows', () => {
  it.each([
    ['hourly', 3_600],
    ['daily', 86_400],
    ['weekly', 604_800],
    ['monthly', 2_592_000],
  ] as const)(
    'C-46: a rolling %s window ends when more than %i s have passed, not at them',
    (period, seconds) => {
      const { clock, budgets } = manager({ [period]: 1 });
      budgets.record({}, 0.4);
      clock.advance(seconds * 1000);
      expect(periodOf(budgets, period)).toMatchObject({ currentUsageUsd: 0.4, requestCount: 1 });
      clock.advance(1);
      expect(periodOf(budgets, period)).toMatchObject({
        currentUsageUsd: 0,
        requestCount: 0,
        periodStart: new Date(clock.now()).toISOString(),
      });
    },
  );

  it('calendar windows end at UTC boundaries', () => {
    const limitsUsd = { hourly: 1, daily: 1, weekly: 1, monthly: 1 };
    const clock = new FakeClock(Date.UTC(2028, 1, 25, 12, 30)); // a Friday, in February of a leap year
    const budgets = new BudgetManager({ budgets: [{ limitsUsd, alignment: 'calendar' }], clock });
    const starts = () => PERIODS.map((period) => periodOf(budgets, period).periodStart.slice(0, 13));
    expect(starts()).toEqual(['2028-02-25T12', '2028-02-25T00', '2028-02-21T00', '2028-02-01T00']);
    budgets.record({}, 0.5);
    const used = () => PERIODS.filter((period) => periodOf(budgets, period).currentUsageUsd > 0);

    clock.setNow(Date.UTC(2028, 1, 25, 13) - 1);
    expect(used()).toEqual(['hourly', 'daily', 'weekly', 'monthly']);
    clock.setNow(Date.UTC(2028, 1, 25, 13));
    expect(used()).toEqual(['daily', 'weekly', 'monthly']);
    clock.setNow(Date.UTC(2028, 1, 26));
    expect(used()).toEqual(['weekly', 'monthly']);
    clock.setNow(Date.UTC(2028, 1, 28) - 1);
    expect(used()).toEqual(['weekly', 'monthly']);
    clock.setNow(Date.UTC(2028, 1, 28)); // Monday
    expect(used()).toEqual(['monthly']);
    clock.setNow(Date.UTC(2028, 1, 29));
    expect(used()).toEqual(['monthly']);
    clock.setNow(Date.UTC(2028, 2, 1));
    expect(used()).toEqual([]);
    expect(starts()).toEqual(['2028-03-01T00', '2028-03-01T00', '2028-02-28T00', '2028-03-01T00']);
  });

  it.each(['rolling', 'calendar'] as const)(
    'a clock that is set back gives no %s budget back, and does not freeze it either',
    (alignment) => {
      const clock = new FakeClock(Date.UTC(2026, 5, 15, 12));
      const budgets = new BudgetManager({ budgets: [{ limitsUsd: { daily: 1 }, alignment }], clock });
      budgets.record({}, 0.9);
      clock.setNow(Date.UTC(2025, 5, 15, 12)); // a year back
      expect(periodOf(budgets, 'daily').currentUsageUsd).toBe(0.9);
      expect(budgets.check({}, 0.2)).toMatchObject({ granted: false });
      clock.advance(PERIOD_MS.daily + 1);
      expect(periodOf(budgets, 'daily').currentUsageUsd).toBe(0);
    },
  );

  it('D-14: daily and monthly totals roll over', () => {
    const { clock, budgets } = manager({ daily: 1, monthly: 10 });
    for (let day = 0; day < 31; day++) {
      budgets.record({}, 0.25);
      expect(periodOf(budgets, 'daily').currentUsageUsd).toBe(0.25);
      clock.advance(PERIOD_MS.daily + 1);
    }
    expect(periodOf(budgets, 'monthly').currentUsageUsd).toBe(0.25);
    expect(budgets.status().totalCostUsd).toBeCloseTo(31 * 0.25, 12);
  });
});

describe('checking', () => {
  it('C-47: equality is allowed, the shortest period that is exceeded denies, and nothing changes', () => {
    const { budgets } = manager({ hourly: 1, daily: 1.5, weekly: 1.5, monthly: 2 });
    budgets.record({}, 0.5);
    expect(budgets.check({}, 0.5)).toBeUndefined();
    expect(budgets.check({}, 0.50001)).toMatchObject({ period: 'hourly' });
    budgets.reset('hourly');
    expect(budgets.check({}, 1.1)).toMatchObject({ period: 'hourly' });
    const before = budgets.status();
    const denial = manager({ daily: 1 }).budgets.check({}, 1.25)!;
    expect(denial.reason).toBe(
      'The daily budget of all calls would be exceeded: projected $1.25, limit $1, used $0, reserved $0, ' +
        'this operation $1.25.',
    );
    expect(budgets.status()).toEqual(before);
  });

  it('C-39: with a limit of 1, 2 is denied, 0.5 and 1 are allowed', () => {
    const { budgets } = manager({ daily: 1 });
    expect(budgets.check({}, 2)).toMatchObject({ reasonCode: 'BUDGET_RESERVATION_FAILED' });
    expect(budgets.check({}, 0.5)).toBeUndefined();
    expect(budgets.check({}, 1)).toBeUndefined();
    budgets.record({}, 1);
    expect(budgets.check({}, 0)).toMatchObject({ reasonCode: 'BUDGET_EXCEEDED' });
  });

  it('C-40: strict denies from 95 % utilization on', () => {
    const { budgets } = manager({ daily: 1 });
    budgets.record({}, 0.949);
    expect(budgets.check({}, 0.001, 0.95)).toBeUndefined();
    budgets.record({}, 0.001);
    expect(budgets.check({}, 0.001, 0.95)).toMatchObject({ reasonCode: 'BUDGET_EXCEEDED' });
    expect(budgets.check({}, 0.001)).toBeUndefined();
  });

  it('C-56: the error of a denial carries limit, current cost and operation cost', () => {
    const { budgets } = manager({ daily: 1 });
    budgets.record({}, 0.75);
    const error = budgetExceeded(budgets.check({}, 0.5)!);
    expect(error).toBeInstanceOf(BudgetExceededError);
    expect(error).toMatchObject({ code: 'INHOUSE_BUDGET_EXCEEDED', status: 402, retryable: false });
    expect(error.details).toMatchObject({ limitUsd: 1, usedUsd: 0.75, operationUsd: 0.5, period: 'daily' });
  });

  it('C-25: the same state gives the same outcome', () => {
    let denied = 0;
    const amount = fc.integer({ min: 0, max: 2000 }).map((thousandths) => thousandths / 1000);
    fc.assert(
      fc.property(fc.array(amount, { maxLength: 20 }), amount, fc.boolean(), (spent, asked, strict) => {
        const outcome = () => {
          const { budgets } = manager({ hourly: 3, daily: 8 });
          for (const each of spent) budgets.record({}, each);
          return budgets.reserve({}, asked, { strictAt: strict ? 0.95 : 1 });
        };
        const first = outcome();
        if (!first.granted) denied++;
        expect(outcome()).toEqual(first);
      }),
      { numRuns: 1000 },
    );
    expect(denied).toBeGreaterThan(100);
    expect(denied).toBeLessThan(900);
  });
});

describe('recording', () => {
  it('C-48: a cost counts in every period and for life', () => {
    const { clock, budgets } = manager({ hourly: 10, daily: 10, weekly: 10, monthly: 10 });
    budgets.record({}, 1);
    clock.advance(PERIOD_MS.hourly + 1);
    budgets.record({}, 2);
    expect(PERIODS.map((period) => periodOf(budgets, period).currentUsageUsd)).toEqual([2, 3, 3, 3]);
    expect(PERIODS.map((period) => periodOf(budgets, period).requestCount)).toEqual([1, 2, 2, 2]);
    expect(budgets.status()).toMatchObject({ totalCostUsd: 3, totalRequests: 2, avgCostPerRequestUsd: 1.5 });
  });

  it.each([Number.NaN, -0.01, Number.POSITIVE_INFINITY])(
    'a cost of %d is refused and changes nothing',
    (cost) => {
      const { budgets } = manager({ daily: 1 });
      const refused = expect.objectContaining({ code: 'INHOUSE_INVALID_OPTION' });
      expect(() => budgets.record({}, cost)).toThrow(refused);
      expect(() => budgets.check({}, cost)).toThrow(refused);
      expect(() => budgets.reserve({}, cost)).toThrow(refused);
      expect(periodOf(budgets, 'daily')).toMatchObject({
        currentUsageUsd: 0,
        reservedUsd: 0,
        requestCount: 0,
      });
    },
  );

  it.each([Number.NaN, -1])('a settlement of %d is refused, and what was held counts as spent', (cost) => {
    const { budgets } = manager({ daily: 1 });
    const reservation = budgets.reserve({}, 0.25);
    expect(() => budgets.settle(reservation as never, cost)).toThrow(InvalidInputError);
    expect(periodOf(budgets, 'daily')).toMatchObject({ currentUsageUsd: 0.25, reservedUsd: 0 });
  });

  it('C-57: the budget path reads no file and no network', () => {
    const seen = new Set<string>();
    const visit = (url: URL): string[] => {
      if (seen.has(url.href)) return [];
      seen.add(url.href);
      const specifiers = [...readFileSync(url, 'utf8').matchAll(/from '([^']+)'/g)].map((match) => match[1]!);
      return specifiers.flatMap((each) => (each.startsWith('.') ? visit(new URL(each, url)) : [each]));
    };
    expect(visit(new URL('../../dist/src/governance/budget.js', import.meta.url))).toEqual([]);
    expect(seen.size).toBeGreaterThan(3);
  });
});

describe('reservations', () => {
  it('C-53 D-13: of 100 calls in parallel with a budget for 37, exactly 37 run', async () => {
    for (const cost of [0.01, 0.1, 0.3, 1e-7, 1 / 3]) {
      const { budgets } = manager({ hourly: 37 * cost, daily: 1000 });
      let ran = 0;
      const call = async () => {
        const reservation = budgets.reserve({}, cost);
        await Promise.resolve();
        if (!reservation.granted) return;
        ran++;
        await Promise.resolve();
        budgets.settle(reservation, cost);
      };
      await Promise.all(Array.from({ length: 100 }, call));
      expect(ran).toBe(37);
      expect(periodOf(budgets, 'hourly')).toMatchObject({ requestCount: 37, reservedUsd: 0 });
      expect(periodOf(budgets, 'hourly').usagePercentage).toBeCloseTo(100, 9);
    }
  });

  it('C-54: a released reservation makes room again, to the cent', () => {
    const { budgets } = manager({ daily: 0.3 });
    const held = [0.1, 0.1, 0.1].map((amount) => budgets.reserve({}, amount));
    expect(budgets.reserve({}, 0.1)).toMatchObject({ granted: false, heldUsd: expect.closeTo(0.3, 12) });
    for (const each of held) if (each.granted) budgets.release(each);
    expect(periodOf(budgets, 'daily')).toMatchObject({ reservedUsd: 0, currentUsageUsd: 0, requestCount: 0 });
    expect(budgets.reserve({}, 0.3).granted).toBe(true);
  });

  it('C-54: nothing stays reserved when all calls are over, whatever their amounts and order', () => {
    const amounts = fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { maxLength: 20 });
    fc.assert(
      fc.property(amounts, fc.infiniteStream(fc.nat()), (all, picks) => {
        const { budgets } = manager({ daily: Number.POSITIVE_INFINITY });
        const held = all.map((amount) => budgets.reserve({}, amount));
        while (held.length > 0) {
          const [one] = held.splice(picks.next().value % held.length, 1);
          if (one!.granted) budgets.release(one!);
        }
        expect(periodOf(budgets, 'daily').reservedUsd).toBe(0);
      }),
      { numRuns: 300 },
    );
  });

  it('a reservation is settled or released once, whatever is called after it', () => {
    const { budgets } = manager({ daily: 1 });
    const settled = budgets.reserve({}, 0.5);
    const other = budgets.reserve({}, 0.25);
    if (!settled.granted || !other.granted) throw new Error('no room');
    budgets.settle(settled, 0.4);
    budgets.settle(settled, 0.4);
    budgets.release(settled);
    expect(periodOf(budgets, 'daily')).toMatchObject({
      currentUsageUsd: 0.4,
      reservedUsd: 0.25,
      requestCount: 1,
    });
    budgets.release(other);
    budgets.settle(other, 0.2);
    expect(periodOf(budgets, 'daily')).toMatchObject({
      currentUsageUsd: 0.4,
      reservedUsd: 0,
      requestCount: 1,
    });
  });

  it('what calls under way hold counts in the window that begins meanwhile', () => {
    const { clock, budgets } = manager({ hourly: 1 });
    const held = budgets.reserve({}, 0.8);
    clock.advance(PERIOD_MS.hourly + 1);
    expect(budgets.reserve({}, 0.3)).toMatchObject({ granted: false });
    if (held.granted) budgets.settle(held, 0.7);
    expect(periodOf(budgets, 'hourly')).toMatchObject({ currentUsageUsd: 0.7, reservedUsd: 0 });
  });

  it('C-38: advisory reserves over the limit too, and is told so', () => {
    const { budgets } = manager({ daily: 0.005 });
    const reservation = budgets.reserve({}, 0.01, { force: true });
    expect(reservation).toMatchObject({
      granted: true,
      overrun: { reasonCode: 'BUDGET_RESERVATION_FAILED' },
    });
    if (reservation.granted) budgets.settle(reservation, 0.01);
    expect(periodOf(budgets, 'daily')).toMatchObject({ currentUsageUsd: 0.01, usagePercentage: 200 });
  });

  it('a failed reservation holds nothing in any budget', () => {
    const clock = new FakeClock();
    const budgets = new BudgetManager({
      clock,
      budgets: [{ limitsUsd: { daily: 10 } }, { scope: 'team', value: 'search', limitsUsd: { daily: 1 } }],
    });
    expect(budgets.reserve({ team: 'search' }, 2)).toMatchObject({
      granted: false,
      scope: 'team',
      value: 'search',
    });
    expect(budgets.status().budgets.map(({ periods }) => periods[0]!.reservedUsd)).toEqual([0, 0]);
  });

  it('used and held never pass the limit, whatever the order of calls', () => {
    const step = fc.record({
      amount: fc.double({ min: 0, max: 3, noNaN: true }),
      actual: fc.double({ min: 0, max: 1, noNaN: true }),
      settles: fc.constantFrom('settle', 'release', 'never'),
      waitMs: fc.integer({ min: -PERIOD_MS.hourly, max: 2 * PERIOD_MS.hourly }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const { clock, budgets } = manager({ hourly: 5, daily: 9 });
        for (const { amount, actual, settles, waitMs } of steps) {
          const reservation = budgets.reserve({}, amount);
          clock.setNow(clock.now() + waitMs);
          if (reservation.granted && settles === 'settle') budgets.settle(reservation, actual * amount);
          if (reservation.granted && settles === 'release') budgets.release(reservation);
          for (const period of budgets.status().budgets[0]!.periods) {
            expect(period.currentUsageUsd + period.reservedUsd).toBeLessThanOrEqual(
              period.limitUsd * (1 + 1e-9),
            );
          }
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('scopes', () => {
  it('a call is charged to everybody, and to its provider, team, project and customer', () => {
    const clock = new FakeClock();
    const limitsUsd = { daily: 1 };
    const budgets = new BudgetManager({
      clock,
      budgets: [
        { limitsUsd: { daily: 100 } },
        { scope: 'provider', value: 'gpt2', limitsUsd },
        { scope: 'team', value: 'search', limitsUsd },
        { scope: 'project', limitsUsd },
        { scope: 'customer', limitsUsd },
        { scope: 'customer', value: 'big', limitsUsd: { daily: 50 } },
      ],
    });
    budgets.record({ provider: 'gpt2', team: 'search', project: 'a', customer: 'small' }, 0.6);
    budgets.record({ provider: 'vllm', team: 'ads', project: 'b', customer: 'big' }, 20);
    const used = Object.fromEntries(
      budgets
        .status()
        .budgets.map(({ scope, value, periods }) => [`${scope} ${value ?? ''}`, periods[0]!.currentUsageUsd]),
    );
    expect(used).toEqual({
      'all ': 20.6,
      'provider gpt2': 0.6,
      'team search': 0.6,
      'project a': 0.6,
      'project b': 20,
      'customer small': 0.6,
      'customer big': 20,
    });
    expect(budgets.check({ customer: 'small' }, 0.5)).toMatchObject({ scope: 'customer', value: 'small' });
    expect(budgets.check({ customer: 'other' }, 0.5)).toBeUndefined();
    expect(budgets.check({ customer: 'big' }, 25)).toBeUndefined();
  });

  it('customers without end do not fill the memory, and none that is in use is forgotten', () => {
    const clock = new FakeClock();
    const budgets = new BudgetManager({
      clock,
      budgets: [
        { scope: 'customer', limitsUsd: { hourly: 1 } },
        { scope: 'customer', value: 'own', limitsUsd: { hourly: 5 } },
      ],
    });
    const held = budgets.reserve({ customer: 'holder' }, 0.9);
    for (let hour = 0; hour < 5; hour++) {
      for (let i = 0; i < 9_000; i++) budgets.record({ customer: `${hour}-${i}` }, 0.001);
      clock.advance(PERIOD_MS.hourly + 1);
    }
    expect(budgets.status().budgets.length).toBeLessThan(20_000);
    if (held.granted) budgets.settle(held, 0.9);
    expect(budgets.status({ customer: 'holder' }).budgets[0]!.periods[0]!.currentUsageUsd).toBe(0.9);
    expect(budgets.status({ customer: 'own' }).budgets[0]!.periods[0]!.limitUsd).toBe(5);
    expect(budgets.status().totalRequests).toBe(45_001);
  });
});

describe('alerts', () => {
  it('C-49: each threshold fires once per window, several in one record, and again in the next window', () => {
    const { log, onAlert } = alertLog();
    const { clock, budgets } = manager({ hourly: 1 }, { onAlert });
    budgets.record({}, 0.4);
    expect(log).toEqual([]);
    budgets.record({}, 0.1);
    expect(log).toEqual(['hourly 0.5']);
    budgets.record({}, 0.41);
    expect(log).toEqual(['hourly 0.5', 'hourly 0.75', 'hourly 0.9']);
    budgets.record({}, 0.05);
    expect(log).toHaveLength(3);
    budgets.record({}, 0.5);
    expect(log.at(-1)).toBe('hourly 1');
    clock.advance(PERIOD_MS.hourly + 1);
    budgets.record({}, 2);
    expect(log.slice(4)).toEqual(['hourly 0.5', 'hourly 0.75', 'hourly 0.9', 'hourly 1']);
  });

  it('an alert says what happened, and its callback can be replaced', () => {
    const alerts: BudgetAlert[] = [];
    const { budgets } = manager({ daily: 2 }, { alertThresholds: [0.9, 0.75] });
    budgets.onAlert = (alert) => alerts.push(alert);
    budgets.record({}, 1.5);
    expect(alerts).toEqual([
      {
        scope: 'all',
        value: undefined,
        period: 'daily',
        threshold: 0.75,
        usagePercent: 75,
        usedUsd: 1.5,
        limitUsd: 2,
      },
    ]);
  });

  it('C-49: a limit is reached by decimal fractions that reach it on paper', () => {
    const { log, onAlert } = alertLog();
    const { budgets } = manager({ hourly: 0.027 }, { onAlert, alertThresholds: [1] });
    for (let i = 0; i < 3; i++) budgets.record({}, 0.009); // as doubles, 0.026999999999999996
    expect(log).toEqual(['hourly 1']);
    expect(budgets.check({}, 0)).toMatchObject({ reasonCode: 'BUDGET_EXCEEDED' });
  });

  it('C-50: a callback that throws or rejects is reported, and the cost counts', async () => {
    const faults: string[] = [];
    const onFault = (where: string, error: unknown) => faults.push(`${where}: ${error}`);
    const { budgets } = manager({ daily: 1 }, { onFault, alertThresholds: [0.5, 0.75] });
    budgets.onAlert = () => {
      throw new Error('thrown');
    };
    budgets.record({}, 0.5);
    budgets.onAlert = () => Promise.reject(new Error('rejected'));
    budgets.record({}, 0.25);
    await Promise.resolve();
    expect(faults).toEqual(['budget alert: Error: thrown', 'budget alert: Error: rejected']);
    expect(periodOf(budgets, 'daily').currentUsageUsd).toBe(0.75);
  });

  it('C-51: a manual reset clears usage, count and alerts; an unknown period is an error', () => {
    const { log, onAlert } = alertLog();
    const { budgets } = manager({ hourly: 1, daily: 10 }, { onAlert });
    budgets.record({}, 0.6);
    budgets.reset('hourly');
    expect(periodOf(budgets, 'hourly')).toMatchObject({ currentUsageUsd: 0, requestCount: 0 });
    expect(periodOf(budgets, 'daily')).toMatchObject({ currentUsageUsd: 0.6, requestCount: 1 });
    budgets.record({}, 0.6);
    expect(log).toEqual(['hourly 0.5', 'hourly 0.5']);
    for (const period of ['weekly', 'yearly']) {
      expect(() => budgets.reset(period as Period)).toThrow(
        expect.objectContaining({ code: 'INHOUSE_INVALID_OPTION' }),
      );
    }
  });
});

describe('definitions', () => {
  it.each([0, -1, Number.NaN])('C-44 D-12: a limit of %d is refused', (limit) => {
    expect(() => manager({ daily: limit })).toThrow(/Budget limit must be positive/);
  });

  it.each<[string, BudgetDefinition]>([
    ['an unknown scope', { scope: 'planet' as 'team', limitsUsd: {} }],
    ['an unknown period', { limitsUsd: { yearly: 1 } as object }],
    ['an unknown alignment', { alignment: 'lunar' as 'rolling', limitsUsd: {} }],
  ])('%s is refused', (_, definition) => {
    expect(() => new BudgetManager({ budgets: [definition], clock: new FakeClock() })).toThrow(
      InvalidInputError,
    );
  });

  it('two budgets of one scope and value, and a threshold that cannot be reached, are refused', () => {
    const clock = new FakeClock();
    const limitsUsd = { daily: 1 };
    for (const twice of [
      { limitsUsd },
      { scope: 'team', limitsUsd },
      { scope: 'team', value: 'a', limitsUsd },
    ] as const) {
      expect(() => new BudgetManager({ budgets: [twice, twice], clock })).toThrow(/two budgets for/);
    }
    expect(() => manager({ daily: 1 }, { alertThresholds: [Number.NaN] })).toThrow(InvalidInputError);
  });

  it('an infinite limit counts and never denies', () => {
    const { log, onAlert } = alertLog();
    const { budgets } = manager({ monthly: Number.POSITIVE_INFINITY }, { onAlert });
    budgets.record({}, 1e6);
    expect(budgets.check({}, 1e9)).toBeUndefined();
    expect(periodOf(budgets, 'monthly')).toMatchObject({ currentUsageUsd: 1e6, usagePercentage: 0 });
    expect(log).toEqual([]);
  });
});

describe('after a restart', () => {
  const definitions: BudgetDefinition[] = [
    { limitsUsd: { hourly: 1, daily: 100, monthly: 1000 } },
    { scope: 'team', limitsUsd: { daily: 50 }, alignment: 'calendar' },
  ];

  it('the windows go on where they were, to the cent and the millisecond', async () => {
    const teams = ['search', 'ads', undefined];
    const jump = fc.oneof(
      fc.integer({ min: 1, max: PERIOD_MS.daily }),
      fc.integer({ min: 30, max: 40 }).map((days) => days * PERIOD_MS.daily),
      fc.integer({ min: -PERIOD_MS.weekly, max: 0 }),
    );
    const step = fc.record({
      cost: fc.double({ min: 0, max: 1, noNaN: true }),
      team: fc.constantFrom(...teams),
      untilCheckMs: jump,
      untilRecordMs: jump,
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 30 }), async (steps) => {
        const clock = new FakeClock();
        const ledger = new MemoryLedger(10_000);
        const before = new BudgetManager({ budgets: definitions, clock, ledger });
        for (const [i, { cost, team, untilCheckMs, untilRecordMs }] of steps.entries()) {
          clock.setNow(clock.now() + untilCheckMs);
          before.check({ team }, cost);
          clock.setNow(clock.now() + untilRecordMs);
          before.record({ team }, cost);
          ledger.append({
            type: 'cost',
            operationId: String(i),
            timeMs: clock.now(),
            costUsd: cost,
            provider: 'gpt2',
            operation: 'completion',
            durationMs: 5,
            success: true,
            model: 'gpt2',
            promptTokens: 0,
            completionTokens: 0,
            scopes: { team },
          });
        }
        const after = new BudgetManager({ budgets: definitions, clock, ledger });
        after.restore(await ledger.load());
        for (const scopes of [{}, { team: 'search' }, { team: 'ads' }]) {
          expect(used(after, scopes)).toEqual(used(before, scopes));
        }
      }),
      { numRuns: 300 },
    );
  });

  it('a budget that is new counts only the costs of its current window', async () => {
    const ledger = new MemoryLedger();
    const { clock } = manager({});
    for (const [operationId, costUsd] of [
      ['two days ago', 3],
      ['an hour ago', 5],
    ] as const) {
      ledger.append({
        type: 'cost',
        operationId,
        timeMs: clock.now(),
        costUsd,
        provider: 'gpt2',
        operation: 'completion',
        durationMs: 5,
        success: true,
        model: 'gpt2',
        promptTokens: 0,
        completionTokens: 0,
        scopes: {},
      });
      clock.advance(costUsd === 3 ? 2 * PERIOD_MS.daily : PERIOD_MS.hourly);
    }
    const budgets = new BudgetManager({ budgets: [{ limitsUsd: { daily: 10, monthly: 10 } }], clock });
    budgets.restore(await ledger.load());
    expect(periodOf(budgets, 'daily')).toMatchObject({ currentUsageUsd: 5, requestCount: 1 });
    expect(periodOf(budgets, 'monthly')).toMatchObject({ currentUsageUsd: 8, requestCount: 2 });
  });

  it('alerts that were given are not given again', async () => {
    const ledger = new MemoryLedger();
    const { clock, budgets: before } = manager({ daily: 1 }, { ledger });
    before.record({}, 0.8);
    ledger.append({
      type: 'cost',
      operationId: 'a',
      timeMs: clock.now(),
      costUsd: 0.8,
      provider: 'gpt2',
      operation: 'completion',
      durationMs: 5,
      success: true,
      model: 'gpt2',
      promptTokens: 0,
      completionTokens: 0,
      scopes: {},
    });
    const { log, onAlert } = alertLog();
    const { budgets: after } = manager({ daily: 1 }, { onAlert });
    after.restore(await ledger.load());
    after.record({}, 0.15);
    expect(log).toEqual(['daily 0.9']);
  });

  function used(budgets: BudgetManager, scopes: { team?: string }) {
    return budgets.status(scopes).budgets.map(({ periods }) =>
      periods
        .filter(({ requestCount }) => requestCount > 0)
        .map(({ period, currentUsageUsd, requestCount, periodStart }) => {
          return [period, Number(currentUsageUsd.toFixed(9)), requestCount, periodStart];
        }),
    );
  }
});

it('C-52: the report shows a bar of 40 cells, amber from 75 %, red from 90 %', () => {
  const { budgets } = manager({ hourly: 9, daily: 10, weekly: 12, monthly: 18 });
  budgets.record({}, 9);
  expect(budgetReport(budgets.status())).toBe(
    [
      'Budget of all calls',
      `  hourly  ${'█'.repeat(40)} 100.0 %  $9 of $9, 1 requests`,
      `  daily   ${'█'.repeat(36)}${'░'.repeat(4)}  90.0 %  $9 of $10, 1 requests`,
      `  weekly  ${'█'.repeat(30)}${'░'.repeat(10)}  75.0 %  $9 of $12, 1 requests`,
      `  monthly ${'█'.repeat(20)}${'░'.repeat(20)}  50.0 %  $9 of $18, 1 requests`,
      'Total $9 in 1 requests, $9 each',
    ].join('\n'),
  );
  const codes = [...budgetReport(budgets.status(), true).matchAll(/\[(\d+)m█/g)].map((match) => match[1]);
  expect(codes).toEqual(['31', '31', '33', '32']);
});
