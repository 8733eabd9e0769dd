import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InvalidInputError } from '#inhouse/errors.js';
import { samplingRate, TelemetrySampler } from '#inhouse/governance/telemetry/sampling.js';
import { recording, start } from './support.js';

function sampled(sampler: TelemetrySampler, calls: number): number {
  let count = 0;
  for (let call = 0; call < calls; call++) if (sampler.shouldSample()) count++;
  return count;
}

describe('telemetry sampling', () => {
  it('C-69: rates are clamped to 0..1, and what is not a number is refused', () => {
    expect(sampled(new TelemetrySampler(-1), 100)).toBe(0);
    expect(sampled(new TelemetrySampler(2), 100)).toBe(100);
    expect(new TelemetrySampler(2).rate).toBe(1);
    expect(() => new TelemetrySampler(Number.NaN)).toThrow(InvalidInputError);
  });

  it.each([
    [1, 10_000],
    [0.5, 5_000],
    [0.1, 1_000],
    [0.01, 100],
  ])('C-70: at a rate of %d, 10 000 calls give exactly %d spans', (rate, expected) => {
    const { recorder, spans } = recording({ sampler: new TelemetrySampler(rate) });
    for (let call = 0; call < 10_000; call++) recorder.start(start)?.end();
    expect(spans).toHaveLength(expected);
  });

  it('gives floor(N * rate) for every N, at rates that no binary fraction holds', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10_000 }), fc.integer({ min: 0, max: 5_000 }), (parts, calls) => {
        const expected = Math.floor((parts * calls) / 10_000);
        expect(sampled(new TelemetrySampler(parts / 10_000), calls)).toBe(expected);
      }),
    );
  });

  it('does not drift over a million calls', () => {
    expect(sampled(new TelemetrySampler(0.1), 1_000_000)).toBe(100_000);
    expect(sampled(new TelemetrySampler(0.003), 1_000_000)).toBe(3_000);
  });

  it('by trace id: every service at one rate keeps the same traces', () => {
    const [here, there] = [new TelemetrySampler(0.25, 'trace-id'), new TelemetrySampler(0.25, 'trace-id')];
    there.shouldSample();
    let kept = 0;
    for (let trace = 0; trace < 4_000; trace++) {
      const traceId = ((BigInt(trace) * 0x9e3779b97f4a7c15f39cc0605cedc834n) % 2n ** 128n)
        .toString(16)
        .padStart(32, '0');
      const parent = { traceId, sampled: false };
      expect(there.shouldSample(parent)).toBe(here.shouldSample(parent));
      if (here.shouldSample(parent)) kept++;
    }
    expect(kept / 4_000).toBeCloseTo(0.25, 1);
  });

  it('by parent: a call is kept where the span around it is', () => {
    const sampler = new TelemetrySampler(0, 'parent');
    const traceId = '0'.repeat(31).concat('1');
    expect(sampler.shouldSample({ traceId, sampled: true })).toBe(true);
    expect(sampler.shouldSample({ traceId, sampled: false })).toBe(false);
    expect(sampler.shouldSample()).toBe(false);
  });

  it('the rate is what was given, else GENOPS_SAMPLING_RATE, else 1', () => {
    expect(samplingRate(0.2, { GENOPS_SAMPLING_RATE: '0.5' })).toBe(0.2);
    expect(samplingRate(undefined, { GENOPS_SAMPLING_RATE: '0.5' })).toBe(0.5);
    expect(samplingRate(undefined, {})).toBe(1);
    expect(() => samplingRate(undefined, { GENOPS_SAMPLING_RATE: 'half' })).toThrow(
      /GENOPS_SAMPLING_RATE is "half"/,
    );
  });
});
