import fc from 'fast-check';
import { expect, it } from 'vitest';
import { planWindows } from '#inhouse/scoring/windows.js';

it('a text that fits is one window', () => {
  expect(planWindows(10, 1024, 512)).toEqual([{ begin: 0, end: 10, scoreFrom: 1 }]);
});

it('longer texts advance by the stride', () => {
  expect(planWindows(10, 4, 2)).toEqual([
    { begin: 0, end: 4, scoreFrom: 1 },
    { begin: 2, end: 6, scoreFrom: 4 },
    { begin: 4, end: 8, scoreFrom: 6 },
    { begin: 6, end: 10, scoreFrom: 8 },
  ]);
});

it('every token but the first is scored once, with the promised context', () => {
  const sizes = fc.integer({ min: 2, max: 60 }).chain((window) =>
    fc.record({
      tokens: fc.integer({ min: 2, max: 300 }),
      window: fc.constant(window),
      stride: fc.integer({ min: 1, max: window - 1 }),
    }),
  );
  fc.assert(
    fc.property(sizes, ({ tokens, window, stride }) => {
      const windows = planWindows(tokens, window, stride);
      const scored = windows.flatMap(({ scoreFrom, end }) =>
        Array.from({ length: end - scoreFrom }, (_, i) => scoreFrom + i),
      );
      expect(scored).toEqual(Array.from({ length: tokens - 1 }, (_, i) => i + 1));
      for (const { begin, end, scoreFrom } of windows) {
        expect(end - begin).toBeLessThanOrEqual(window);
        expect(scoreFrom - begin).toBeGreaterThanOrEqual(begin === 0 ? 1 : window - stride);
      }
    }),
    { numRuns: 1000 },
  );
});
