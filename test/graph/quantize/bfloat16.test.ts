import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { roundToBfloat16, toBfloat16 } from '#inhouse/graph/quantize/bfloat16.js';
import { toBfloat16Bits } from '../../support/safetensors-writer.js';

describe('bfloat16', () => {
  it('rounds as a reference that rounds a float64 once', () => {
    fc.assert(
      fc.property(
        fc.float({ noNaN: true, noDefaultInfinity: true, max: 2 ** 126, min: -(2 ** 126) }),
        (value) => {
          const rounded = roundToBfloat16(value);
          expect([...toBfloat16(Float32Array.of(rounded))]).toEqual([toBfloat16Bits(value)]);
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('rounds ties to even and keeps what it can hold', () => {
    const step = 2 ** -7;
    expect(roundToBfloat16(1 + step / 2)).toBe(1);
    expect(roundToBfloat16(1 + (3 * step) / 2)).toBe(1 + 2 * step);
    expect(roundToBfloat16(-1 - step)).toBe(-1 - step);
    expect(roundToBfloat16(2 - step / 2)).toBe(2);
  });
});
