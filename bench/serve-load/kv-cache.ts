// What the KV cache saves: the time of a token when everything before it is computed again, over when it is kept. Row M-O4
// of the MuAI plan, which expects it to grow with the length.
import type { Model } from '../../src/model.js';
import { Random } from '../run/random.js';
import { median } from '../statistics.js';
import { type Figure, figure } from './figure.js';
import type { FigureOptions } from './figures.js';
import { sendTo } from './send.js';
import type { LoadSession } from './session.js';
import { type RequestTrace, traced } from './trace.js';

/** Tokens before the one that is timed. */
const LENGTHS = [64, 256, 768];
/** Timed with the cache, in a row. */
const KEPT_TOKENS = 64;

export async function measureKvCache(
  { tools }: LoadSession,
  model: Model,
  { seed, quick }: FigureOptions,
): Promise<Figure[]> {
  const random = new Random(seed);
  const send = sendTo(model);
  const ask = (promptTokens: number, outputTokens: number) => {
    const prompt = random.tokens(promptTokens, model.info().vocabularySize); // never the same: the prefix cache is no help
    return traced(send, { prompt, outputTokens }, performance.now(), tools.signal);
  };
  const figures: Figure[] = [];
  for (const length of LENGTHS) {
    if (tools.signal.aborted) break;
    tools.onProgress(`a token after ${length} others, with and without KV cache`);
    const recomputed: RequestTrace[] = [];
    const kept: RequestTrace[] = [];
    await ask(length, 1); // warm-up
    for (let count = 0; count < (quick ? 2 : 7) && !tools.signal.aborted; count++) {
      recomputed.push(await ask(length, 1));
      kept.push(await ask(length, KEPT_TOKENS));
    }
    figures.push(kvCacheFigure(length, recomputed, kept));
  }
  return figures;
}

/** `recomputed` end with their first token; of `kept`, the tokens after the first count. */
export function kvCacheFigure(
  length: number,
  recomputed: readonly RequestTrace[],
  kept: readonly RequestTrace[],
): Figure {
  const recomputedMs = median(recomputed.flatMap(({ dueMs, tokenMs }) => tokenMs.map((ms) => ms - dueMs)));
  const keptMs = median(
    kept.flatMap(({ tokenMs }) =>
      tokenMs.length > 1 ? [(tokenMs.at(-1)! - tokenMs[0]!) / (tokenMs.length - 1)] : [],
    ),
  );
  return figure(
    `a token after ${length} others without KV cache over with`,
    recomputedMs / keptMs,
    { atLeast: 1 },
    { recomputedMs, keptMs, samples: kept.length },
  );
}
