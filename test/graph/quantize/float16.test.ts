import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FLOAT16_OVERFLOW, toFloat16 } from '#inhouse/graph/quantize/float16.js';
import { toFloat16Bits } from '../../support/safetensors-writer.js';

describe('float16', () => {
  it('equals a reference that rounds a float64 once, bit for bit', () => {
    const inRange = fc.float({
      max: FLOAT16_OVERFLOW,
      min: -FLOAT16_OVERFLOW,
      noNaN: true,
      minExcluded: true,
      maxExcluded: true,
    });
    const small = fc.float({ max: 2 ** -13, min: -(2 ** -13), noNaN: true });
    fc.assert(
      fc.property(fc.array(fc.oneof(inRange, small)), (numbers) => {
        const values = Float32Array.from(numbers);
        expect([...toFloat16(values)]).toEqual([...values].map(toFloat16Bits));
      }),
      { numRuns: 2000 },
    );
  });

  it('rounds ties to even, also where subnormals become normal and where the exponent grows', () => {
    const bits = (...values: number[]) => [...toFloat16(Float32Array.from(values))];
    expect(bits(2 ** -25, 3 * 2 ** -25, 2 ** -24, -(2 ** -24))).toEqual([0, 2, 1, 0x8001]);
    expect(bits(2 ** -14 - 2 ** -25, 2 ** -14)).toEqual([0x400, 0x400]);
    expect(bits(1 + 2 ** -11, 1 + 3 * 2 ** -11, 2 - 2 ** -11)).toEqual([0x3c00, 0x3c02, 0x4000]);
    expect(bits(0, -0, 65504, 65519)).toEqual([0, 0x8000, 0x7bff, 0x7bff]);
  });

  it('reads a view into a larger buffer', () => {
    const values = Float32Array.from([9, 1, 2]).subarray(1);
    expect([...toFloat16(values)]).toEqual([0x3c00, 0x4000]);
  });
});
