// Whole sequences computed apart from the rows, in KV buffers of their own: scoring and embedding. Runs in the worker.
import type { Gpt2Config } from '../../checkpoint/config.js';
import type { ScoreOptions, ScoreResult } from '../runner.js';
import { logSumExp } from '../sampling/logprobs.js';
import { argmax } from '../sampling/sampler.js';
import { checkTokens, rowError } from './checks.js';
import type { GraphSession } from './graph-session.js';
import { KvBuffers } from './kv-buffers.js';

/** Positions whose logits are computed at once: 64 * 50 257 floats are 13 MB. */
const SCORE_TOKENS = 64;
const EMBED_TOKENS = 256;

export class SequencePass {
  readonly #session: GraphSession;
  readonly #config: Gpt2Config;

  constructor(session: GraphSession, config: Gpt2Config) {
    this.#session = session;
    this.#config = config;
  }

  async score(tokens: readonly number[], options: ScoreOptions): Promise<ScoreResult> {
    this.#check(tokens, 2);
    const from = options.from ?? 1;
    if (!Number.isInteger(from) || from < 1 || from >= tokens.length) {
      throw rowError(`score can start at positions 1 to ${tokens.length - 1}, not ${from}.`);
    }
    const wanted = tokens.length - from;
    const { vocabularySize } = this.#config;
    const logprobs = new Float64Array(wanted);
    const choices = new Int32Array(wanted);
    const allLogits = options.logits ? new Float32Array(wanted * vocabularySize) : undefined;

    // The logits at position p predict token p + 1: the last position predicts nothing we know.
    await this.#through(tokens.slice(0, -1), SCORE_TOKENS, from - 1, false, (position, logits) => {
      const i = position + 1 - from;
      logprobs[i] = logits[tokens[position + 1]!]! - logSumExp(logits);
      choices[i] = argmax(logits);
      allLogits?.set(logits, i * vocabularySize);
    });
    return { logprobs, argmax: choices, ...(allLogits && { logits: allLogits }) };
  }

  async embed(tokens: readonly number[], pooling: 'mean' | 'last'): Promise<Float32Array> {
    this.#check(tokens, 1);
    const sum = new Float64Array(this.#config.width);
    const first = pooling === 'mean' ? 0 : tokens.length - 1;
    await this.#through(tokens, EMBED_TOKENS, first, true, (_position, hidden) => {
      for (let i = 0; i < sum.length; i++) sum[i] = sum[i]! + hidden[i]!;
    });
    return Float32Array.from(sum, (total) => total / (tokens.length - first));
  }

  /**
   * Runs a whole sequence in chunks, in buffers of its own, and visits each position from `first` on with its logits
   * [V] or, if `hidden`, its final hidden state [D].
   */
  async #through(
    tokens: readonly number[],
    chunkTokens: number,
    first: number,
    hidden: boolean,
    visit: (position: number, values: Float32Array) => void,
  ): Promise<void> {
    const { layers, heads, headSize, contextLength } = this.#config;
    const kv = new KvBuffers({ layers, heads, headSize, maxSlots: 1, maxCapacity: contextLength });
    kv.fit([0], tokens.length);
    for (let begin = 0; begin < tokens.length; begin += chunkTokens) {
      const chunk = tokens.slice(begin, begin + chunkTokens);
      const visited = chunk.map((_, i) => i).filter((i) => begin + i >= first);
      const logitsAt = hidden ? [] : visited;
      const output = await this.#session.step(
        { kv, firstSlot: 0, tokens: [chunk], past: [begin], logitsAt },
        hidden,
      );
      visited.forEach((position, i) => {
        const [values, size, row] = hidden
          ? [output.hidden!, this.#config.width, position]
          : [output.logits, this.#config.vocabularySize, i];
        visit(begin + position, values.subarray(row * size, (row + 1) * size));
      });
    }
  }

  #check(tokens: readonly number[], least: number): void {
    checkTokens(this.#config, tokens);
    const { contextLength } = this.#config;
    if (tokens.length < least || tokens.length > contextLength) {
      throw rowError(`Expected ${least} to ${contextLength} tokens, got ${tokens.length}.`);
    }
  }
}
