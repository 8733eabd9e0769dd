import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BlockwiseScheme } from '#inhouse/graph/quantize/block-grid.js';
import { dequantizeBlockwise, quantizeBlockwise } from '#inhouse/graph/quantize/blockwise.js';
import { Random } from '../../support/random.js';
import { toBfloat16Bits } from '../../support/safetensors-writer.js';

const BLOCKS = [16, 32, 64, 128, 256] as const;
const FORMATS = BLOCKS.flatMap((block) =>
  ([4, 8] as const).flatMap((bits) =>
    [true, false].map((symmetric) => ({ kind: 'blockwise', bits, block, symmetric }) as const),
  ),
);
type Format = (typeof FORMATS)[number];

/** Quantizes and dequantizes. */
function roundTrip(
  values: Float32Array,
  rows: number,
  columns: number,
  scheme: BlockwiseScheme,
): Float32Array {
  return dequantizeBlockwise(quantizeBlockwise(values, rows, columns, scheme), rows, columns, scheme);
}

/** Scales are stored as bfloat16 at 4 bits: float32 with the lower half of its bits gone. */
function storable(scale: number, bits: 4 | 8): number {
  if (bits === 8) return Math.fround(scale);
  const view = new DataView(new ArrayBuffer(4));
  view.setUint16(0, toBfloat16Bits(Math.fround(scale)));
  return view.getFloat32(0);
}

/**
 * Rounding to nearest, written from the definition: one block at a time, plain arrays, one rounding for the scale
 * and one for each value.
 */
function referenceBlock(weights: readonly number[], { bits, symmetric }: Format): number[] {
  const codes = 2 ** bits;
  const least = Math.min(0, ...weights);
  const greatest = Math.max(0, ...weights);
  let scale: number;
  let zeroPoint: number;
  if (symmetric) {
    zeroPoint = codes / 2;
    scale = storable((greatest > -least ? greatest : least) / -zeroPoint, bits);
  } else {
    scale = storable((greatest - least) / (codes - 1), bits);
    zeroPoint = Math.min(codes - 1, Math.round(-least / scale));
  }
  if (Math.abs(scale) < 2 ** -126) return weights.map(() => 0);
  return weights.map((weight) => {
    const nearest = Math.round(weight / scale + zeroPoint);
    return Math.fround((Math.max(0, Math.min(codes - 1, nearest)) - zeroPoint) * scale);
  });
}

function reference(values: Float32Array, rows: number, columns: number, format: Format): number[] {
  const result: number[] = [];
  for (let row = 0; row < rows; row++) {
    for (let from = 0; from < columns; from += format.block) {
      const to = Math.min(from + format.block, columns);
      result.push(...referenceBlock([...values.subarray(row * columns + from, row * columns + to)], format));
    }
  }
  return result;
}

/** Weights as they are and as they should not be: of many magnitudes, zero, subnormal, huge. */
const weight = fc.oneof(
  { weight: 6, arbitrary: fc.double({ min: -1, max: 1, noNaN: true }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(0, -0, 2 ** -149, -(2 ** -130), 2 ** -126, 1e-30, 1.7e38, -1.7e38),
  },
  { weight: 1, arbitrary: fc.float({ min: -(2 ** 120), max: 2 ** 120, noNaN: true }) },
);
const matrix = fc
  .record({ rows: fc.integer({ min: 1, max: 3 }), columns: fc.integer({ min: 1, max: 150 }) })
  .chain(({ rows, columns }) =>
    fc
      .array(weight, { minLength: rows * columns, maxLength: rows * columns })
      .map((values) => ({ rows, columns, values: Float32Array.from(values) })),
  );

/** Calls back with each block: its indices, and its least and greatest weight, zero included. */
function eachBlock(
  values: Float32Array,
  rows: number,
  columns: number,
  block: number,
  visit: (from: number, to: number, low: number, high: number) => void,
): void {
  for (let row = 0; row < rows; row++) {
    for (let begin = 0; begin < columns; begin += block) {
      const from = row * columns + begin;
      const to = row * columns + Math.min(begin + block, columns);
      const weights = values.subarray(from, to);
      visit(from, to, Math.min(0, ...weights), Math.max(0, ...weights));
    }
  }
}

const squaredError = (a: Float32Array, b: Float32Array, from: number, to: number) => {
  let sum = 0;
  for (let i = from; i < to; i++) sum += (a[i]! - b[i]!) ** 2;
  return sum;
};

describe.each(FORMATS)('block-wise, $bits bits, blocks of $block, symmetric: $symmetric', (format) => {
  const { bits, block, symmetric } = format;
  const round: BlockwiseScheme = { ...format, method: 'round' };
  const fit: BlockwiseScheme = { ...format, method: 'fit' };

  it('rounding equals the reference bit for bit', () => {
    fc.assert(
      fc.property(matrix, ({ rows, columns, values }) => {
        const expected = Float32Array.from(reference(values, rows, columns, format));
        expect(roundTrip(values, rows, columns, round)).toEqual(expected);
      }),
      { numRuns: 25 },
    );
  });

  it('rounding errs by at most half a step, and a symmetric grid by one step on its short side', () => {
    const steps = 2 ** bits - 1;
    fc.assert(
      fc.property(matrix, ({ rows, columns, values }) => {
        const result = roundTrip(values, rows, columns, round);
        eachBlock(values, rows, columns, block, (from, to, low, high) => {
          const step = symmetric ? Math.max(-low, high) / 2 ** (bits - 1) : (high - low) / steps;
          const ends = steps * (bits === 4 ? 2 ** -9 : 2 ** -24); // steps that the rounded scale may fall short
          const zeros = steps * 2 ** -126; // blocks that count as zero
          const bound = step * ((symmetric ? 1 : 0.5) * 1.002 + ends) + zeros;
          for (let i = from; i < to; i++)
            expect(Math.abs(result[i]! - values[i]!)).toBeLessThanOrEqual(bound);
        });
      }),
      { numRuns: 25 },
    );
  });

  it('fitting never has a larger squared error than rounding, in any block', () => {
    fc.assert(
      fc.property(matrix, ({ rows, columns, values }) => {
        const rounded = roundTrip(values, rows, columns, round);
        const fitted = roundTrip(values, rows, columns, fit);
        eachBlock(values, rows, columns, block, (from, to) => {
          const limit = squaredError(values, rounded, from, to);
          // Both are float32 values of a grid that was judged in float64.
          expect(squaredError(values, fitted, from, to)).toBeLessThanOrEqual(limit * (1 + 1e-5));
        });
      }),
      { numRuns: 25 },
    );
  });
});

describe('block-wise layout', () => {
  const four: BlockwiseScheme = { kind: 'blockwise', bits: 4, block: 16, symmetric: false, method: 'round' };
  /** Integers from `low` to `low + 15`: on a grid of step 1 they are their own codes. */
  const ramp = (low: number) => Array.from({ length: 16 }, (_, i) => low + i);

  it('packs 4-bit codes and zero points with the low bits first', () => {
    const values = Float32Array.from([...ramp(0), ...ramp(-3), ...ramp(-15)]); // one row, three blocks
    const { data, scales, zeroPoints } = quantizeBlockwise(values, 1, 48, four);
    const codes = [0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe];
    expect([...data]).toEqual([...codes, ...codes, ...codes]);
    expect([...scales]).toEqual([1, 1, 1]);
    expect([...zeroPoints!]).toEqual([0x30, 0x0f]);
  });

  it('starts every row at a whole byte and fills its last block with codes that mean zero', () => {
    const row = [...ramp(-8).slice(0, 16), -15, 0];
    const { data, zeroPoints } = quantizeBlockwise(Float32Array.from([...row, ...row]), 2, 18, four);
    expect(data).toHaveLength(2 * 2 * 8);
    expect([...data.subarray(8, 16)]).toEqual([0xf0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    expect([...zeroPoints!]).toEqual([0xf8, 0xf8]);
  });

  it('stores no zero points where symmetric: zero is the middle', () => {
    const { data, scales, zeroPoints } = quantizeBlockwise(new Float32Array(16), 1, 16, {
      ...four,
      symmetric: true,
    });
    expect([...data]).toEqual(Array(8).fill(0x88));
    expect([...scales]).toEqual([0]);
    expect(zeroPoints).toBeUndefined();
  });

  it('keeps a constant block up to the rounding of its scale', () => {
    for (const value of [0.3, -7, 1e30, -1e-30]) {
      for (const method of ['round', 'fit'] as const) {
        const values = new Float32Array(16).fill(value);
        const result = roundTrip(values, 1, 16, { ...four, method });
        for (const kept of result) expect(Math.abs(kept / values[0]! - 1)).toBeLessThanOrEqual(2 ** -8);
      }
    }
  });

  it('fitting takes a twentieth and more off the squared error of normal weights', () => {
    const random = new Random(1);
    const scheme: BlockwiseScheme = { ...four, block: 32, method: 'round' };
    const values = Float32Array.from({ length: 100 * 32 }, () => random.normal());
    const error = (method: 'round' | 'fit') =>
      squaredError(values, roundTrip(values, 100, 32, { ...scheme, method }), 0, values.length);
    expect(error('fit')).toBeLessThan(0.95 * error('round'));
  });
});
