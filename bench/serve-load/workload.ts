// What the requests of a load are: prompts of random tokens, all different, and how much each asks for.
import { invalidOption } from '../../src/options.js';
import { Random } from '../run/random.js';
import { drawLength, type Lengths } from './lengths.js';
import type { LoadRequest } from './trace.js';

export interface Workload {
  readonly inputLen: Lengths;
  readonly outputLen: Lengths;
  /** The same seed gives the same requests in the same order. */
  readonly seed: number;
}

/** Throws `INHOUSE_INVALID_OPTION` for lengths that the model's context cannot hold. */
export function checkFits({ inputLen, outputLen }: Workload, contextLength: number): void {
  const room = contextLength + 1 - outputLen.most; // the last token needs no position
  if (inputLen.most <= room) return;
  const expected = `at most ${Math.max(0, room)} tokens: the context is ${contextLength}, --output-len up to ${outputLen.most}`;
  throw invalidOption('bench', 'inputLen', inputLen.most, expected);
}

/** Gives the next request at every call. */
export function requestsOf(
  { inputLen, outputLen, seed }: Workload,
  vocabularySize: number,
): () => LoadRequest {
  const random = new Random(seed);
  return () => ({
    prompt: random.tokens(drawLength(inputLen, random), vocabularySize),
    outputTokens: drawLength(outputLen, random),
  });
}
