// Chooses the next token of one row from its logits. The native runner implements the same steps in the same order:
// bias, repetition penalty, presence and frequency penalties, minTokens, temperature, top-k, top-p, min-p, one draw.
import { RunnerError } from '../../errors.js';
import type { SamplingSettings, TokenChoice } from '../runner.js';
import { logSumExp, topLogprobs } from './logprobs.js';
import { uniform } from './philox.js';
import { allIds, TopDown } from './top-down.js';

export class Sampler {
  readonly #settings: SamplingSettings;
  readonly #output: number[];
  readonly #outputCounts = new Map<number, number>();
  readonly #promptTokens: ReadonlySet<number>;
  readonly #allIds: Uint32Array; // 0..V-1
  readonly #adjusted: Float64Array; // [V]: logits after bias and penalties
  readonly #weights: Float64Array; // [V]: scratch of the draw in progress

  /** `prompt` and `output` are the sequence so far; the next draw is number `output.length`. */
  constructor(
    settings: SamplingSettings,
    prompt: readonly number[],
    output: readonly number[],
    vocabularySize: number,
  ) {
    this.#settings = settings;
    this.#promptTokens = new Set(prompt);
    this.#output = [];
    this.#allIds = allIds(vocabularySize);
    this.#adjusted = new Float64Array(vocabularySize);
    this.#weights = new Float64Array(vocabularySize);
    for (const token of output) this.accept(token);
  }

  get outputLength(): number {
    return this.#output.length;
  }

  isStopToken(token: number): boolean {
    return this.#settings.stopTokenIds.includes(token);
  }

  /** The choice for logits [V]. Does not change the sampler: the choice counts once it is accepted. */
  choose(logits: Float32Array): TokenChoice {
    this.#adjust(logits);
    const token = this.#settings.temperature === 0 ? argmax(this.#adjusted) : this.#draw();
    if (this.#settings.logprobs === undefined) return { token };
    const logTotal = logSumExp(logits);
    return {
      token,
      logprob: logits[token]! - logTotal,
      topLogprobs: topLogprobs(logits, logTotal, this.#settings.logprobs),
    };
  }

  /** Makes a token part of the output. */
  accept(token: number): void {
    this.#output.push(token);
    this.#outputCounts.set(token, (this.#outputCounts.get(token) ?? 0) + 1);
  }

  /** Takes back accepted tokens until the output has `length` tokens. */
  rewind(length: number): void {
    while (this.#output.length > length) {
      const token = this.#output.pop()!;
      const left = this.#outputCounts.get(token)! - 1;
      if (left === 0) this.#outputCounts.delete(token);
      else this.#outputCounts.set(token, left);
    }
  }

  #adjust(logits: Float32Array): void {
    const { logitBias, repetitionPenalty, presencePenalty, frequencyPenalty } = this.#settings;
    const adjusted = this.#adjusted;
    adjusted.set(logits);
    for (let i = 0; i < logitBias.ids.length; i++) {
      const id = logitBias.ids[i]!;
      adjusted[id] = adjusted[id]! + logitBias.values[i]!;
    }
    if (repetitionPenalty !== 1) {
      for (const token of new Set([...this.#promptTokens, ...this.#outputCounts.keys()])) {
        const logit = adjusted[token]!;
        adjusted[token] = logit > 0 ? logit / repetitionPenalty : logit * repetitionPenalty;
      }
    }
    if (presencePenalty !== 0 || frequencyPenalty !== 0) {
      for (const [token, count] of this.#outputCounts) {
        adjusted[token] = adjusted[token]! - presencePenalty - frequencyPenalty * count;
      }
    }
    if (this.#output.length < this.#settings.minTokens) {
      for (const token of this.#settings.stopTokenIds) adjusted[token] = Number.NEGATIVE_INFINITY;
    }
  }

  /** One token at the settings' temperature, among those that top-k, top-p and min-p leave. */
  #draw(): number {
    const { topK, topP, minP, seed, stream } = this.#settings;
    const weights = this.#weights;
    let kept = topK > 0 && topK < this.#allIds.length ? this.#largest(topK) : this.#allIds;
    let total = this.#weigh(kept);
    if (topP < 1) kept = this.#nucleus(kept, topP * total);
    if (minP > 0) kept = kept.filter((token) => weights[token]! >= minP);
    if (kept !== this.#allIds) {
      kept = kept.toSorted(); // ids ascending: one order for the draw, however the candidates were found
      total = 0;
      for (let i = 0; i < kept.length; i++) total += weights[kept[i]!]!;
    }

    const target = uniform(seed, this.#output.length, stream) * total;
    let sum = 0;
    let chosen = kept[0]!;
    for (let i = 0; i < kept.length; i++) {
      const weight = weights[kept[i]!]!;
      if (weight === 0) continue; // ruled out, or too improbable to have a share: never the one that rounding leaves
      chosen = kept[i]!;
      sum += weight;
      if (sum > target) break;
    }
    return chosen;
  }

  /** Sets the weights of the candidates: proportional to their probability, 1 at the largest. Returns the sum. */
  #weigh(candidates: Uint32Array): number {
    const adjusted = this.#adjusted;
    const weights = this.#weights;
    const { temperature } = this.#settings;
    const largest = adjusted[argmax(adjusted)]!;
    let total = 0;
    for (let i = 0; i < candidates.length; i++) {
      const token = candidates[i]!;
      const weight = Math.exp((adjusted[token]! - largest) / temperature);
      weights[token] = weight;
      total += weight;
    }
    return total;
  }

  #largest(count: number): Uint32Array {
    const queue = new TopDown(this.#adjusted, this.#allIds);
    return Uint32Array.from({ length: count }, () => queue.pop()!);
  }

  /** The smallest set of most probable candidates whose weights reach `enough`. */
  #nucleus(candidates: Uint32Array, enough: number): Uint32Array {
    const queue = new TopDown(this.#adjusted, candidates);
    const kept: number[] = [];
    let sum = 0;
    do {
      const token = queue.pop()!;
      kept.push(token);
      sum += this.#weights[token]!;
    } while (sum < enough && kept.length < candidates.length);
    return Uint32Array.from(kept);
  }
}

/** The index of the largest value, the smaller index on ties. */
export function argmax(values: Float32Array | Float64Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
  const largest = values[best]!;
  if (Number.isNaN(largest) || Math.abs(largest) === Number.POSITIVE_INFINITY) {
    throw new RunnerError(
      'INHOUSE_RUNTIME_STEP',
      `The model gave ${largest} as its largest logit: its weights are damaged, or every token was ruled out.`,
    );
  }
  return best;
}
