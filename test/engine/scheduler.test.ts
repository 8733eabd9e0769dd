import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  FAIR_ADMISSION_EVERY,
  HEADROOM_TOKENS,
  invariants,
  planStep,
  type Schedulable,
  type StepBudget,
} from '#inhouse/engine/scheduler.js';
import { WaitingQueue } from '#inhouse/engine/waiting-queue.js';

interface Toy extends Schedulable {
  resumed: boolean;
  windowLength: number;
  held: number;
}

let arrivals = 0;

/** Waits, with a prompt of 4 tokens and room for 20, unless told otherwise. */
function toy(facts: Partial<Toy> = {}): Toy {
  return {
    arrival: arrivals++,
    priority: 0,
    submittedAtMs: 0,
    deadlineMs: Number.POSITIVE_INFINITY,
    resumed: false,
    windowLength: 4,
    held: 0,
    capacity: 20,
    ...facts,
  };
}

const decodingToy = (held: number, facts: Partial<Toy> = {}) =>
  toy({ held, windowLength: held + 1, ...facts });

function state(parts: {
  decoding?: Toy[];
  filling?: Toy;
  waiting?: Toy[];
  cachedTokens?: number;
  sinceFair?: number;
}) {
  const waiting = new WaitingQueue<Toy>();
  for (const one of parts.waiting ?? []) waiting.insert(one);
  const { decoding = [], filling, cachedTokens = 0, sinceFair = 0 } = parts;
  return { decoding, filling, waiting, cachedTokens, sinceFair };
}

const BUDGET: StepBudget = {
  maxBatchSize: 4,
  maxTokensPerStep: 64,
  chunkTokens: 8,
  decodeSteps: 5,
  kvTokens: 10_000,
  pageTokens: 1,
  batchTimeoutMs: 0,
  nowMs: 0,
};

describe('a plan', () => {
  it('lets everyone decode and computes one chunk of the prompt at hand beside them', () => {
    const filling = toy({ windowLength: 100, capacity: 200, held: 24 });
    const decoding = [decodingToy(5), decodingToy(6)];
    const plan = planStep(state({ decoding, filling, waiting: [toy()] }), BUDGET);
    expect(plan).toMatchObject({ preempt: [], admit: undefined, decode: { rows: 2, steps: 1 } });
    expect(plan.prefill).toEqual({ sequence: filling, tokens: 8 });
  });

  it('computes as much of a prompt as a step may while nobody decodes', () => {
    const alone = toy({ windowLength: 100, capacity: 200 });
    expect(planStep(state({ waiting: [alone] }), BUDGET)).toMatchObject({
      admit: alone,
      prefill: { sequence: alone, tokens: 64 },
    });
  });

  it('never computes more tokens than a step may, and ends a prompt where it ends', () => {
    const decoding = [decodingToy(5), decodingToy(6), decodingToy(7)];
    const long = toy({ windowLength: 100, capacity: 200 });
    const tight = { ...BUDGET, maxTokensPerStep: 5 };
    expect(planStep(state({ decoding, waiting: [long] }), tight).prefill?.tokens).toBe(2);
    const nearlyDone = toy({ windowLength: 100, capacity: 200, held: 97 });
    expect(planStep(state({ decoding, filling: nearlyDone }), BUDGET).prefill?.tokens).toBe(3);
  });

  it('draws several tokens at once only while nobody waits, and only into free memory', () => {
    const decoding = [decodingToy(5), decodingToy(6)];
    expect(planStep(state({ decoding }), BUDGET).decode).toEqual({ rows: 2, steps: 5 });
    expect(planStep(state({ decoding, waiting: [toy()] }), { ...BUDGET, maxBatchSize: 2 }).decode.steps).toBe(
      1,
    );
    expect(planStep(state({ decoding, cachedTokens: 3 }), { ...BUDGET, kvTokens: 20 }).decode.steps).toBe(3);
  });

  it('admits nobody while the batch is full or a prompt is being computed', () => {
    const full = [5, 6, 7, 8].map((held) => decodingToy(held));
    expect(planStep(state({ decoding: full, waiting: [toy()] }), BUDGET).admit).toBeUndefined();
    const filling = toy({ windowLength: 30, capacity: 40 });
    expect(planStep(state({ filling, waiting: [toy()] }), BUDGET).admit).toBeUndefined();
  });

  it('admits by priority, then by arrival, and whoever was preempted before all others', () => {
    const [low, first, second] = [toy(), toy({ priority: 2 }), toy({ priority: 2 })];
    expect(planStep(state({ waiting: [second, low, first] }), BUDGET).admit).toBe(first);
    const preempted = toy({ resumed: true });
    expect(planStep(state({ waiting: [second, low, first, preempted] }), BUDGET).admit).toBe(preempted);
  });

  it('now and then admits who has waited longest, whatever the priority', () => {
    const waiting = [toy(), toy({ priority: 2 })];
    let sinceFair = 0;
    const admitted = Array.from({ length: 2 * FAIR_ADMISSION_EVERY }, () => {
      const { admit, fair } = planStep(state({ waiting, sinceFair }), BUDGET);
      sinceFair = fair ? 0 : sinceFair + 1;
      return admit;
    });
    expect(admitted.filter((one) => one === waiting[0])).toHaveLength(2);
  });

  it('puts that off while somebody preempted resumes, and then makes up for it', () => {
    const [oldest, first, preempted] = [toy(), toy({ priority: 2 }), toy({ resumed: true })];
    const sinceFair = FAIR_ADMISSION_EVERY - 1;
    const due = planStep(state({ waiting: [oldest, first, preempted], sinceFair }), BUDGET);
    expect(due).toMatchObject({ admit: preempted, fair: false });
    const next = planStep(state({ waiting: [oldest, first], sinceFair: sinceFair + 1 }), BUDGET);
    expect(next).toMatchObject({ admit: oldest, fair: true });
  });

  it('admits only where everyone can still grow a while', () => {
    const decoding = [decodingToy(30, { capacity: 100 })];
    const next = toy({ windowLength: 10, capacity: 100 });
    const needed = 30 + 10 + 2 * HEADROOM_TOKENS;
    const plan = (kvTokens: number) =>
      planStep(state({ decoding, waiting: [next] }), { ...BUDGET, kvTokens });
    expect(plan(needed).admit).toBe(next);
    expect(plan(needed - 1).admit).toBeUndefined();
  });

  it('gives up cached rows first, then preempts the lowest priority, then the latest', () => {
    const decoding = [decodingToy(9), decodingToy(9, { priority: 1 }), decodingToy(9), decodingToy(9)];
    const plan = (kvTokens: number) =>
      planStep(state({ decoding, cachedTokens: 30 }), { ...BUDGET, kvTokens, decodeSteps: 1 });
    expect(plan(70)).toMatchObject({ preempt: [], evictTokens: 0 });
    expect(plan(50)).toMatchObject({ preempt: [], evictTokens: 20 });
    expect(plan(39).preempt).toEqual([decoding[3]]);
    expect(plan(29).preempt).toEqual([decoding[3], decoding[2]]);
    expect(plan(19).preempt).toEqual([decoding[3], decoding[2], decoding[0]]);
    expect(plan(19).decode.rows).toBe(1);
  });

  it('preempts a prompt at hand when that is the lowest, and admits nobody in the same step', () => {
    const decoding = [decodingToy(15)];
    const filling = toy({ windowLength: 30, capacity: 40, held: 8 });
    const plan = planStep(state({ decoding, filling, waiting: [toy()] }), {
      ...BUDGET,
      kvTokens: 45,
    });
    expect(plan).toMatchObject({ preempt: [filling], admit: undefined, prefill: undefined });
  });

  it('takes the row of a sequence whose context is full', () => {
    const full = decodingToy(20, { capacity: 20 });
    expect(planStep(state({ decoding: [decodingToy(5), full] }), BUDGET)).toMatchObject({
      preempt: [full],
      decode: { rows: 1, steps: 1 },
    });
  });

  it('waits for more requests only when idle, not full, and not for longer than it may', () => {
    const patient = { ...BUDGET, batchTimeoutMs: 50 };
    const one = toy({ submittedAtMs: 100 });
    const waitMs = (nowMs: number, parts: Parameters<typeof state>[0]) =>
      planStep(state(parts), { ...patient, nowMs }).waitMs;
    expect(waitMs(120, { waiting: [one, toy({ submittedAtMs: 119 })] })).toBe(30);
    expect(planStep(state({ waiting: [one] }), { ...patient, nowMs: 150 })).toMatchObject({ admit: one });
    expect(waitMs(120, { waiting: [one, toy(), toy(), toy()] })).toBe(0);
    expect(waitMs(120, { decoding: [decodingToy(4)], waiting: [one] })).toBe(0);
    expect(waitMs(120, { waiting: [toy({ submittedAtMs: 100, resumed: true })] })).toBe(0);
  });

  it('holds nobody for more than half of the time that he has', () => {
    const waitMs = (...waiting: Toy[]) =>
      planStep(state({ waiting }), { ...BUDGET, batchTimeoutMs: 50, nowMs: 120 }).waitMs;
    const patient = toy({ submittedAtMs: 100 });
    expect(waitMs(patient, toy({ submittedAtMs: 110, deadlineMs: 150 }))).toBe(10);
    expect(waitMs(patient, toy({ submittedAtMs: 110, deadlineMs: 500 }))).toBe(30);
    expect(waitMs(patient, toy({ submittedAtMs: 100, deadlineMs: 140 }))).toBe(0);
  });

  it('keeps to the budget in any state, and someone always advances', () => {
    const running = fc.record({
      held: fc.integer({ min: 1, max: 39 }),
      priority: fc.nat(2),
    });
    const states = fc.record({
      decoding: fc.array(running, { maxLength: 6 }),
      filling: fc.option(fc.record({ windowLength: fc.integer({ min: 2, max: 40 }), held: fc.nat(39) })),
      waiting: fc.array(
        fc.record({
          windowLength: fc.integer({ min: 1, max: 40 }),
          priority: fc.nat(2),
          resumed: fc.boolean(),
        }),
        { maxLength: 5 },
      ),
      cachedTokens: fc.nat(50),
      sinceFair: fc.nat(100),
      kvTokens: fc.integer({ min: 40, max: 300 }),
      pageTokens: fc.constantFrom(1, 4, 8),
      extra: fc.integer({ min: 1, max: 20 }),
    });
    fc.assert(
      fc.property(states, ({ kvTokens, pageTokens, extra, ...given }) => {
        const capacity = 40;
        const decoding = given.decoding.map(({ held, priority }) =>
          decodingToy(held, { priority, capacity }),
        );
        const filling =
          given.filling &&
          toy({
            ...given.filling,
            held: Math.min(given.filling.held, given.filling.windowLength - 1),
            capacity,
          });
        const waiting = given.waiting.map((one) => toy({ ...one, capacity }));
        const budget = { ...BUDGET, maxBatchSize: 7, maxTokensPerStep: 7 + extra, kvTokens, pageTokens };
        const { cachedTokens, sinceFair } = given;
        const before = state({ decoding, waiting, cachedTokens, sinceFair, ...(filling && { filling }) });
        const plan = planStep(before, budget);

        const rows = decoding.length - plan.preempt.filter((one) => decoding.includes(one)).length;
        expect(plan.decode.rows).toBe(rows);
        expect(rows + (plan.prefill?.tokens ?? 0)).toBeLessThanOrEqual(budget.maxTokensPerStep);
        if (plan.prefill) expect(plan.prefill.tokens).toBeGreaterThan(0);
        const anyone = decoding.length + waiting.length > 0 || filling;
        if (anyone) expect(rows > 0 || plan.prefill !== undefined).toBe(true);
        const stay = decoding.filter((one) => !plan.preempt.includes(one));
        const pages = (tokens: number) => Math.ceil(tokens / pageTokens) * pageTokens;
        const grown = stay.reduce(
          (sum, one) => sum + pages(Math.min(one.held + plan.decode.steps, capacity)),
          0,
        );
        const target = plan.prefill ? pages(plan.prefill.sequence.windowLength) : 0;
        const cached = Math.max(0, cachedTokens - plan.evictTokens);
        expect(grown + target + cached).toBeLessThanOrEqual(kvTokens);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('the invariants', () => {
  it('hold for a sound state and name what is wrong in any other', () => {
    const sound = () => ({
      decoding: [decodingToy(5), decodingToy(6)],
      filling: toy({ windowLength: 9, held: 3 }),
      waiting: [toy(), toy({ priority: 3 })],
      cachedTokens: 4,
    });
    expect(invariants(state(sound()), BUDGET)).toEqual([]);

    const { decoding, filling, waiting } = sound();
    const violations = (parts: Parameters<typeof state>[0], budget: Partial<StepBudget> = {}) =>
      invariants(state({ decoding, filling, waiting, ...parts }), { ...BUDGET, ...budget });
    expect(violations({}, { maxBatchSize: 2 })).toEqual(['3 rows, 2 allowed']);
    expect(violations({}, { kvTokens: 19 })).toEqual(['20 KV positions taken, 19 allowed']);
    expect(violations({ decoding: [decoding[0]!, decoding[0]!] })).toContain('a sequence is twice there');
    expect(violations({ decoding: [toy({ held: 5, windowLength: 8 })], filling: undefined! })[0]).toMatch(
      /decodes with 5 of 8 held/,
    );
    expect(violations({ filling: toy({ held: 9, windowLength: 9 }) })[0]).toMatch(/holds 9, its window is 9/);
    expect(violations({ filling: toy({ held: 21, windowLength: 30 }) })[0]).toMatch(/holds 21 of 20/);
    expect(violations({ waiting: [toy({ held: 2 })] })[0]).toMatch(/waits and holds 2/);
    const early = toy();
    expect(violations({ filling: toy({ held: 1 }), waiting: [early] })[0]).toMatch(/overtaken/);
    const moving = [toy(), toy()];
    const disordered = state({ waiting: moving });
    moving[1]!.resumed = true;
    expect(invariants(disordered, BUDGET)[0]).toMatch(/in the wrong place/);
  });
});

describe('the waiting queue', () => {
  it('stays in order whatever comes and goes', () => {
    const operations = fc.array(
      fc.record({ priority: fc.nat(3), resumed: fc.boolean(), remove: fc.option(fc.nat()) }),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(operations, (all) => {
        const queue = new WaitingQueue<Toy>();
        const there: Toy[] = [];
        for (const { remove, ...facts } of all) {
          if (remove !== null && there.length > 0) queue.remove(there.splice(remove % there.length, 1)[0]!);
          const one = toy(facts);
          queue.insert(one);
          there.push(one);
        }
        there.sort(
          (a, b) => Number(b.resumed) - Number(a.resumed) || b.priority - a.priority || a.arrival - b.arrival,
        );
        expect([...queue]).toEqual(there);
        expect(queue.head).toBe(there[0]);
        expect(queue.oldest?.arrival).toBe(
          there.length > 0 ? Math.min(...there.map(({ arrival }) => arrival)) : undefined,
        );
        queue.prune(({ priority }) => priority === 1);
        expect([...queue]).toEqual(there.filter(({ priority }) => priority !== 1));
      }),
    );
  });
});
