import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dequantizeChannel, quantizeChannel } from '#inhouse/graph/quantize/channel.js';

const matrix = fc
  .record({ inputs: fc.integer({ min: 1, max: 40 }), outputs: fc.integer({ min: 1, max: 9 }) })
  .chain(({ inputs, outputs }) =>
    fc
      .array(
        fc.oneof(
          fc.double({ min: -1, max: 1, noNaN: true }),
          fc.constantFrom(0, 2 ** -149, 2 ** -126, 1.7e38, -1.7e38),
        ),
        { minLength: inputs * outputs, maxLength: inputs * outputs },
      )
      .map((values) => ({ inputs, outputs, values: Float32Array.from(values) })),
  );

describe('per-channel INT8', () => {
  it('equals a reference that takes one output at a time, bit for bit', () => {
    fc.assert(
      fc.property(matrix, ({ inputs, outputs, values }) => {
        const result = dequantizeChannel(quantizeChannel(values, inputs, outputs));
        for (let output = 0; output < outputs; output++) {
          const column = Array.from({ length: inputs }, (_, input) => values[input * outputs + output]!);
          const scale = Math.fround(Math.max(...column.map(Math.abs)) / 127);
          column.forEach((weight, input) => {
            const code = scale < 2 ** -126 ? 0 : Math.min(127, Math.max(-127, Math.round(weight / scale)));
            expect(result[input * outputs + output]! + 0).toBe(Math.fround(code * scale) + 0);
          });
        }
      }),
    );
  });

  it('errs by at most half a step of the output', () => {
    fc.assert(
      fc.property(matrix, ({ inputs, outputs, values }) => {
        const quantized = quantizeChannel(values, inputs, outputs);
        const result = dequantizeChannel(quantized);
        for (const [at, value] of values.entries()) {
          const bound = 0.5 * quantized.scales[at % outputs]! * (1 + 1e-4) + 127 * 2 ** -126;
          expect(Math.abs(result[at]! - value)).toBeLessThanOrEqual(bound);
        }
      }),
    );
  });
});
