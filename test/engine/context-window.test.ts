import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_MAX_TOKENS, planContext, slideBy } from '#inhouse/engine/context-window.js';

describe('strict', () => {
  it('serves exactly what the context holds: the last token is never fed back', () => {
    expect(planContext(1024, 1, 1024, 'strict')).toMatchObject({
      dropFromPrompt: 0,
      maxTokens: 1,
      capacity: 1024,
    });
    expect(planContext(1000, 25, 1024, 'strict')).toMatchObject({ maxTokens: 25, capacity: 1024 });
  });

  it('refuses one token more, with the numbers and what to do', () => {
    expect(() => planContext(1000, 26, 1024, 'strict')).toThrow(
      /1000 tokens and maxTokens 26 .* 1024: lower maxTokens to 25/,
    );
    expect(() => planContext(1025, undefined, 1024, 'strict')).toThrow(
      /1025 tokens exceeds .* shorten the prompt/,
    );
  });

  it('ends by the context when no maximum was named and there is less room than the default', () => {
    expect(planContext(1020, undefined, 1024, 'strict')).toMatchObject({ maxTokens: 5, endsBy: 'context' });
    expect(planContext(10, undefined, 1024, 'strict')).toMatchObject({
      maxTokens: DEFAULT_MAX_TOKENS,
      endsBy: 'length',
    });
    expect(planContext(1020, 5, 1024, 'strict')).toMatchObject({ endsBy: 'length' });
  });
});

it('an empty prompt is refused under every policy', () => {
  for (const policy of ['strict', 'truncate-left', 'slide'] as const) {
    expect(() => planContext(0, 5, 1024, policy)).toThrow(
      expect.objectContaining({ code: 'INHOUSE_EMPTY_PROMPT' }),
    );
  }
});

it('truncate-left drops just enough of the prompt, and refuses what no prompt leaves room for', () => {
  expect(planContext(1000, 100, 1024, 'truncate-left')).toMatchObject({ dropFromPrompt: 75, capacity: 1024 });
  expect(planContext(10, 100, 1024, 'truncate-left')).toMatchObject({ dropFromPrompt: 0, capacity: 109 });
  expect(planContext(10, 1024, 1024, 'truncate-left')).toMatchObject({ dropFromPrompt: 9 });
  expect(() => planContext(10, 1025, 1024, 'truncate-left')).toThrow(/maxTokens 1025/);
});

it('every plan keeps a prompt token and fits the context', () => {
  const sizes = fc.record({
    prompt: fc.integer({ min: 1, max: 300 }),
    max: fc.option(fc.integer({ min: 1, max: 300 }), { nil: undefined }),
    context: fc.integer({ min: 2, max: 200 }),
    policy: fc.constantFrom('strict', 'truncate-left', 'slide' as const),
  });
  let served = 0;
  fc.assert(
    fc.property(sizes, ({ prompt, max, context, policy }) => {
      let plan: ReturnType<typeof planContext>;
      try {
        plan = planContext(prompt, max, context, policy);
      } catch (error) {
        expect(error).toMatchObject({ code: 'INHOUSE_CONTEXT_OVERFLOW' });
        expect(policy).not.toBe('slide');
        return;
      }
      served++;
      const kept = prompt - plan.dropFromPrompt;
      expect(kept).toBeGreaterThanOrEqual(1);
      expect(plan.capacity).toBeLessThanOrEqual(context);
      expect(plan.capacity).toBeGreaterThanOrEqual(kept);
      if (max !== undefined) expect(plan.maxTokens).toBe(max);
      if (policy !== 'slide') expect(kept + plan.maxTokens - 1).toBe(plan.capacity);
    }),
    { numRuns: 2000 },
  );
  expect(served).toBeGreaterThan(500);
});

it('a window slides by half, and always by something', () => {
  expect([2, 3, 1024].map(slideBy)).toEqual([1, 2, 512]);
});
