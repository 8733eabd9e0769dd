// Log-probabilities of tokens from raw logits [V], in natural logarithms.
import type { TokenLogprob } from '../runner.js';
import { allIds, TopDown } from './top-down.js';

/** log(sum(exp(logits))), summed in float64. */
export function logSumExp(logits: Float32Array): number {
  let largest = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < logits.length; i++) if (logits[i]! > largest) largest = logits[i]!;
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += Math.exp(logits[i]! - largest);
  return largest + Math.log(sum);
}

/** The `count` most probable tokens, most probable first. `logTotal` is `logSumExp(logits)`. */
export function topLogprobs(logits: Float32Array, logTotal: number, count: number): TokenLogprob[] {
  if (count === 0) return [];
  const queue = new TopDown(logits, allIds(logits.length));
  const length = Math.min(count, logits.length);
  return Array.from({ length }, () => {
    const token = queue.pop()!;
    return { token, logprob: logits[token]! - logTotal };
  });
}
