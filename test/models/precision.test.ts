// What quantizing costs the embedded model on real text. The beginning of a book stands for the whole, which takes minutes;
// docs/quantization.md has the figures for all of it.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { load, type Model, type Precision } from '#inhouse/index.js';
import { nativeMissing } from '../support/runners.js';
import { sharedData } from '../support/shared-data.js';

const CHARACTERS = 40_000;
/** Every token is predicted once, from up to 1023 before it. */
const WINDOWS = { window: 1024, stride: 1023 };
/** Largest change of the perplexity, as a share. */
const BOUNDS: ReadonlyArray<readonly [Precision, number]> = [
  ['fp16', 0.001],
  ['int8', 0.005],
  ['int8-channel', 0.005],
  ['int4', 0.02],
];

const aliceFile = sharedData('text/novels/alice.txt');
const home = mkdtempSync(join(tmpdir(), 'inhouse-precision-'));
const homeBefore = process.env.INHOUSE_HOME;
beforeAll(() => {
  process.env.INHOUSE_HOME = home;
});
afterAll(() => {
  if (homeBefore === undefined) delete process.env.INHOUSE_HOME;
  else process.env.INHOUSE_HOME = homeBefore;
  rmSync(home, { recursive: true, force: true });
});

describe.skipIf(aliceFile === undefined)('on the beginning of Alice', () => {
  const perplexity = async (model: Model) => {
    const text = readFileSync(aliceFile!, 'utf8').slice(0, CHARACTERS);
    return (await model.score(text, WINDOWS)).perplexity;
  };
  let atFp32: number;
  beforeAll(async () => {
    await using model = await load('embedded');
    atFp32 = await perplexity(model);
  });

  it.each(BOUNDS)('%s changes the perplexity by at most %d of it', async (precision, bound) => {
    await using model = await load('embedded', { precision });
    const change = (await perplexity(model)) / atFp32 - 1;
    expect(Math.abs(change)).toBeLessThanOrEqual(bound);
  });
});

describe.each(['portable', ...(nativeMissing === undefined ? (['native'] as const) : [])] as const)(
  'on the %s runner',
  (runner) => {
    it.each(['fp16', 'int8', 'int8-channel', 'int4'] as const)(
      '%s streams what it generates',
      async (precision) => {
        await using model = await load('embedded', { precision, runner });
        const options = { maxTokens: 40, temperature: 0.8, seed: 5 };
        const stream = model.stream('It was a dark night', options);
        let text = '';
        for await (const chunk of stream) text += chunk.text;
        expect(text).not.toBe('');
        expect(text).toBe((await stream.result).text);
        expect(text).toBe((await model.generate('It was a dark night', options)).text);
        expect(model.info()).toMatchObject({ precision, kind: runner });
        expect(model.info().weightBytes / model.info().parameterCount).toBeLessThan(
          precision === 'fp16' ? 2.1 : 1.3,
        );
      },
    );
  },
);
