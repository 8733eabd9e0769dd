// Contract: the forward pass equals the float64 reference, whatever the shape of the model and of the call.
import { afterEach, describe, expect, it } from 'vitest';
import { Random } from '../../support/random.js';
import type { RandomCheckpoint } from '../../support/random-checkpoint.js';
import { logSoftmax } from '../../support/reference-gpt2.js';
import type { OpenRunner } from '../../support/runners.js';
import { largestDifference, ModelUnderTest, sharedModel, tokensOf } from './harness.js';

const CONFIGURATIONS = 20;
const ROWS = 3;
const DECODED = 6;

/** Keeps the slowest part, the float64 reference, below a second per configuration. */
const MOST_WEIGHTS = 1_200_000;

/** Random sizes; the kinds (activation, dtype, ...) take turns, so that each meets many sizes. */
function configuration(index: number): RandomCheckpoint {
  const random = new Random(1000 + index);
  const sizes = randomSizes(random, index % 5 === 4 ? [8, 16, 128] : [32, 64]);
  const width = sizes.heads * sizes.headSize;
  return {
    seed: index,
    ...sizes,
    contextLength: random.integer(16, 256),
    activation: index % 2 === 0 ? 'gelu_new' : 'gelu',
    dtype: (['F32', 'F16', 'BF16'] as const)[index % 3]!,
    prefix: index % 4 < 2,
    tied: index % 3 !== 1 || index % 2 === 0,
    ...(index % 4 === 3 && { innerWidth: random.integer(width, 5 * width) }),
    ...(index % 6 === 2 && { layerNormEpsilon: 1e-3 }),
    ...(index % 6 === 3 && { scaleAttentionByInverseLayerIndex: true }),
    ...(index % 6 === 4 && { scaleAttentionWeights: false }),
  };
}

function randomSizes(random: Random, headSizes: readonly number[]) {
  for (;;) {
    const sizes = {
      layers: random.integer(1, 4),
      heads: random.integer(1, 4),
      headSize: random.pick(headSizes),
      vocabularySize: random.integer(50, 3000),
    };
    const width = sizes.heads * sizes.headSize;
    if (12 * sizes.layers * width ** 2 + sizes.vocabularySize * width <= MOST_WEIGHTS) return sizes;
  }
}

function title(index: number): string {
  const { seed, prefix, ...shape } = configuration(index);
  return Object.entries(shape)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');
}

export function describeAccuracy(open: OpenRunner): void {
  describe('random configurations', () => {
    let model: ModelUnderTest | undefined;
    afterEach(async () => model?.dispose());

    it.each(Array.from({ length: CONFIGURATIONS }, (_, index) => [title(index), index] as const))(
      '%s',
      async (_title, index) => {
        const checkpoint = configuration(index);
        const random = new Random(2000 + index);
        model = await ModelUnderTest.open(open, checkpoint, { maxRows: ROWS });
        const { runner, reference } = model;

        for (const length of [random.integer(2, checkpoint.contextLength), checkpoint.contextLength]) {
          const ids = random.tokens(length, checkpoint.vocabularySize);
          const { logprobs } = await runner.score(ids);
          const error = largestDifference(logprobs, reference.logprobs(ids).subarray(1));
          expect(error).toBeLessThanOrEqual(model.exactness.logprob);
        }

        const plans = Array.from({ length: ROWS }, () => ({
          prompt: random.tokens(
            random.integer(1, checkpoint.contextLength - DECODED),
            checkpoint.vocabularySize,
          ),
          sampling: { temperature: 0.9, seed: index, logprobs: 4 },
        }));
        const choices = await Promise.all(plans.map(async (plan, row) => [await model!.begin(row, plan)]));
        const decoded = await runner.decode(ROWS, DECODED);
        plans.forEach((plan, row) => {
          model!.expectToFollow(plan, [...choices[row]!, ...decoded[row]!]);
        });
      },
    );
  });

  describe('a prompt longer than any chunk', () => {
    const model = sharedModel(
      open,
      {
        seed: 7,
        layers: 2,
        heads: 1,
        headSize: 16,
        vocabularySize: 97,
        contextLength: 1100,
        activation: 'gelu_new',
        dtype: 'F16',
        prefix: false,
      },
      { maxRows: 2, threads: 2 },
    );

    it('is scored, position by position, as the reference says', async () => {
      const ids = model().tokens(1100, 1);
      const { logprobs } = await model().runner.score(ids);
      const expected = model().reference.logprobs(ids).subarray(1);
      expect(largestDifference(logprobs, expected)).toBeLessThanOrEqual(model().exactness.logprob);
    });

    it('is continued, to the last position of the context, as the reference says', async () => {
      const plan = { prompt: model().tokens(1090, 2), sampling: { temperature: 1, seed: 3, logprobs: 2 } };
      const first = await model().begin(0, plan);
      const [rest] = await model().runner.decode(1, 100);
      expect(rest).toHaveLength(10);
      model().expectToFollow(plan, [first, ...rest!]);
    });
  });

  describe('score', () => {
    const model = sharedModel(open);

    it('returns the logits that predicted each position, and their argmax', async () => {
      const ids = model().tokens(40, 1);
      const { logprobs, argmax, logits } = await model().runner.score(ids, { logits: true });
      const size = model().runner.info.vocabularySize;
      expect(logits).toHaveLength(39 * size);
      const expected = model().reference.logits(ids);
      for (let i = 0; i < 39; i++) {
        const row = logits!.subarray(i * size, (i + 1) * size);
        expect(largestDifference(row, expected[i]!)).toBeLessThan(model().exactness.logprob);
        expect(row[argmax[i]!]).toBe(row.reduce((a, b) => Math.max(a, b)));
        expect(logprobs[i]).toBeCloseTo(logSoftmax(row)[ids[i + 1]!]!, 6);
      }
    });

    it('leaves logits out unless asked', async () => {
      expect(await model().runner.score(model().tokens(4, 1))).not.toHaveProperty('logits');
    });

    it.each([1, 2, 20, 39])('from position %i returns the tail of a whole score', async (from) => {
      const ids = model().tokens(40, 2);
      const whole = await model().runner.score(ids, { logits: true });
      const tail = await model().runner.score(ids, { from, logits: true });
      const size = model().runner.info.vocabularySize;
      expect(tail.argmax).toEqual(whole.argmax.subarray(from - 1));
      expect(largestDifference(tail.logprobs, whole.logprobs.subarray(from - 1))).toBeLessThan(1e-4);
      expect(largestDifference(tail.logits!, whole.logits!.subarray((from - 1) * size))).toBeLessThan(1e-4);
    });

    it('and embed leave the rows alone', async () => {
      const plan = { prompt: model().tokens(10, 3), sampling: { temperature: 1, seed: 1 } };
      const undisturbed = await model().alone(plan, 5);
      const choices = [await model().begin(0, plan)];
      while (choices.length < 5) {
        await model().runner.score(model().tokens(96, choices.length));
        await model().runner.embed(model().tokens(50, choices.length), 'last');
        choices.push(...(await model().runner.decode(1))[0]!);
      }
      expect(tokensOf(choices)).toEqual(tokensOf(undisturbed));
    });
  });

  describe('embed', () => {
    const model = sharedModel(open);

    it.each([1, 2, 33, 96])('pools the final hidden states of %i tokens', async (length) => {
      const ids = model().tokens(length, length);
      const hidden = model().reference.hidden(ids); // [S, D]
      const last = hidden.at(-1)!;
      const mean = last.map((_, d) => hidden.reduce((sum, state) => sum + state[d]!, 0) / length);
      expect(largestDifference(await model().runner.embed(ids, 'last'), last)).toBeLessThan(
        model().exactness.logprob,
      );
      expect(largestDifference(await model().runner.embed(ids, 'mean'), mean)).toBeLessThan(
        model().exactness.logprob,
      );
    });
  });
}
