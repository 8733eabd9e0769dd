import { expect, it } from 'vitest';
import { floorMs, meanPositions, weightBytesPerStep } from '#bench/run/floor.js';
import { parseGpt2Config } from '#inhouse/checkpoint/config.js';

const gpt2 = parseGpt2Config(
  { model_type: 'gpt2', n_layer: 12, n_head: 12, n_embd: 768, n_positions: 1024, vocab_size: 50257 },
  'test',
);

it('counts the matrices of all layers and the head once', () => {
  const layer = 768 * 2304 + 768 * 768 + 768 * 3072 + 3072 * 768;
  expect(weightBytesPerStep(gpt2, 'fp32')).toBe(4 * (12 * layer + 50257 * 768));
});

it('counts what is in memory: float16 widened to float32, and blocks with their float32 scales', () => {
  const layers = 12 * (768 * 2304 + 768 * 768 + 768 * 3072 + 3072 * 768);
  expect(weightBytesPerStep(gpt2, 'fp16')).toBe(weightBytesPerStep(gpt2, 'fp32'));
  const int8 = layers * (1 + 4 / 256) + 50257 * 768 * (1 + 4 / 32); // blocks of 256, and 32 in the head
  expect(weightBytesPerStep(gpt2, 'int8')).toBe(int8);
});

it('counts float16 on a GPU: weights and scales of the layers, while those of the head are float32', () => {
  const layers = 12 * (768 * 2304 + 768 * 768 + 768 * 3072 + 3072 * 768);
  expect(weightBytesPerStep(gpt2, 'fp16', 'float16')).toBe(2 * layers + 4 * 50257 * 768);
  const int8 = layers * (1 + 2 / 256) + 50257 * 768 * (1 + 4 / 32);
  expect(weightBytesPerStep(gpt2, 'int8', 'float16')).toBe(int8);
});

it('counts the inner width of the config', () => {
  const narrow = { ...gpt2, innerWidth: 1000 };
  const difference = weightBytesPerStep(gpt2, 'fp32') - weightBytesPerStep(narrow, 'fp32');
  expect(difference).toBe(4 * 12 * 2 * 768 * (3072 - 1000));
});

it('gives gpt2 the floor that the architecture page states: 14.1 ms at 35 GB/s', () => {
  expect(floorMs(weightBytesPerStep(gpt2, 'fp32'), 35e9)).toBeCloseTo(14.118, 3);
});

it('averages the positions that the steps read: step i reads those before it and its own', () => {
  const [depth, steps] = [64, 10];
  const positions = Array.from({ length: steps }, (_, i) => depth + i + 1);
  const mean = positions.reduce((sum, n) => sum + n, 0) / steps;
  expect(meanPositions(depth, steps)).toBe(mean);
});
