// How much sooner the first token comes when the beginning of the prompt is known, on an engine that is otherwise idle.
import type { Model } from '../../src/model.js';
import { Random } from '../run/random.js';
import { median } from '../statistics.js';
import { type Figure, figure } from './figure.js';
import type { FigureOptions } from './figures.js';
import { sendTo } from './send.js';
import type { LoadSession } from './session.js';
import { type RequestTrace, traced } from './trace.js';

const PREFIX_TOKENS = 512;
/** After the prefix, never the same. */
const OWN_TOKENS = 16;

export async function measurePrefix(
  { tools }: LoadSession,
  model: Model,
  { seed, quick }: FigureOptions,
): Promise<Figure> {
  tools.onProgress(`first tokens after ${PREFIX_TOKENS} known and unknown tokens`);
  const random = new Random(seed);
  const tokens = (count: number) => random.tokens(count, model.info().vocabularySize);
  const send = sendTo(model);
  const ask = (prefix: readonly number[]) => {
    const request = { prompt: [...prefix, ...tokens(OWN_TOKENS)], outputTokens: 1 };
    return traced(send, request, performance.now(), tools.signal);
  };
  const fresh: RequestTrace[] = [];
  const repeated: RequestTrace[] = [];
  await ask(tokens(PREFIX_TOKENS)); // warm-up
  for (let count = 0; count < (quick ? 3 : 15) && !tools.signal.aborted; count++) {
    const prefix = tokens(PREFIX_TOKENS);
    fresh.push(await ask(prefix));
    repeated.push(await ask(prefix));
  }
  return prefixFigure(fresh, repeated);
}

export function prefixFigure(fresh: readonly RequestTrace[], repeated: readonly RequestTrace[]): Figure {
  const freshMs = median(firstTokenTimes(fresh));
  const repeatedMs = median(firstTokenTimes(repeated));
  return figure(
    'TTFT after a fresh 512-token prefix over a repeated one',
    freshMs / repeatedMs,
    { atLeast: 5 },
    {
      freshMs,
      repeatedMs,
      cachedTokens: median(repeated.map(({ cachedTokens }) => cachedTokens)),
      prompts: repeated.length,
    },
  );
}

function firstTokenTimes(traces: readonly RequestTrace[]): number[] {
  return traces.flatMap(({ dueMs, tokenMs }) => (tokenMs[0] === undefined ? [] : tokenMs[0] - dueMs));
}
