// The embedded model, through every runner, against numbers from a float64 forward pass made elsewhere (numpy).
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { embeddedModelFolder } from '#inhouse/checkpoint/embedded.js';
import type { Runner } from '#inhouse/runtime/runner.js';
import { GREEDY, nativeMissing, openOnDevice, RUNNERS } from '../support/runners.js';
import { sharedData } from '../support/shared-data.js';

interface GoldenPrompt {
  readonly prompt: string;
  readonly ids: readonly number[];
  readonly top10: ReadonlyArray<{ readonly id: number; readonly logit: number }>;
  readonly greedy40: readonly number[];
}

interface GoldenLoss {
  readonly ids_first_2048: readonly number[];
  readonly mean_nll: number;
  /** Four windows, of 512 tokens and 511 predictions each. */
  readonly mean_nll_per_window_of_512: readonly number[];
}

/** Rounding through six layers, of logits and of mean losses; in float32 less than any margin between two of the top ten. */
const TOLERANCE = {
  float32: { logits: 1e-4, loss: 1e-4 },
  float16: { logits: 0.03, loss: 0.002 },
};

const ALL = [
  ...RUNNERS,
  ...(nativeMissing === undefined
    ? (['fp32', 'fp16'] as const).map(
        (precision) => [`device ${precision}`, openOnDevice(precision)] as const,
      )
    : []),
];

const folder = embeddedModelFolder();
const { prompts } = readJson<{ readonly prompts: readonly GoldenPrompt[] }>(join(folder, 'goldens.json'));
const aliceFile = sharedData('goldens/embedded-alice.json');

describe.each(ALL)('the embedded model on the %s runner', (_name, open) => {
  const tolerance = TOLERANCE[open.elementType];
  let runner: Runner;
  beforeAll(async () => {
    runner = await open(folder, { maxRows: prompts.length, threads: 2 });
  });
  afterAll(() => runner.dispose());

  it.each(prompts)('gives the ten largest logits after "$prompt"', async ({ ids, top10, greedy40 }) => {
    const { logits } = await runner.score([...ids, greedy40[0]!], { from: ids.length, logits: true });
    const ranked = [...logits!.keys()].sort((a, b) => logits![b]! - logits![a]!);
    if (open.exactness.sameTokens) expect(ranked.slice(0, 10)).toEqual(top10.map(({ id }) => id));
    for (const { id, logit } of top10) {
      expect(Math.abs(logits![id]! - logit)).toBeLessThanOrEqual(tolerance.logits);
    }
  });

  it('continues each prompt greedily by the 40 reference tokens, all prompts in one batch', async () => {
    const continued = await Promise.all(
      prompts.map(async ({ ids }, row) => {
        await runner.openRow(row, { capacity: ids.length + 40, sampling: GREEDY, prompt: ids, output: [] });
        return [(await runner.prefill(row, ids, { sample: true })).token];
      }),
    );
    const rest = await runner.decode(prompts.length, 39);
    continued.forEach((tokens, row) => {
      tokens.push(...rest[row]!.map(({ token }) => token));
    });
    expect(continued).toEqual(prompts.map(({ greedy40 }) => greedy40));
  });

  it.skipIf(aliceFile === undefined)('has the reference loss on the beginning of Alice', async () => {
    const golden = readJson<GoldenLoss>(aliceFile!);
    const losses: number[] = [];
    for (let begin = 0; begin < 2048; begin += 512) {
      const { logprobs } = await runner.score(golden.ids_first_2048.slice(begin, begin + 512));
      losses.push(-logprobs.reduce((sum, logprob) => sum + logprob, 0) / logprobs.length);
    }
    losses.forEach((loss, window) => {
      expect(Math.abs(loss - golden.mean_nll_per_window_of_512[window]!)).toBeLessThanOrEqual(tolerance.loss);
    });
    const mean = losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
    expect(Math.abs(mean - golden.mean_nll)).toBeLessThanOrEqual(tolerance.loss);
  });
});

function readJson<T>(path: string): T {
  return JSON.parse(readFileSync(path, 'utf8')) as T;
}
