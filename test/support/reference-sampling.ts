// How a token is chosen from logits, step by step in double precision: the independent truth for every runner's
// sampler. Slow and plain on purpose (BigInt arithmetic, full sorts); it shares no code with src/.
import type { SamplingSettings } from '#inhouse/runtime/runner.js';
import { Random } from './random.js';

type Words = readonly [number, number, number, number];

/** What was said so far: `prompt` and `output` of the row. */
export interface History {
  readonly prompt: readonly number[];
  readonly output: readonly number[];
}

export interface Candidate {
  readonly token: number;
  readonly probability: number;
}

const WORD = 2n ** 32n;

/** Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011). */
export function philox(counter: Words, key: readonly [number, number]): Words {
  let [c0, c1, c2, c3] = counter.map(BigInt) as [bigint, bigint, bigint, bigint];
  let [k0, k1] = key.map(BigInt) as [bigint, bigint];
  for (let round = 0; round < 10; round++) {
    const product0 = 0xd2511f53n * c0;
    const product1 = 0xcd9e8d57n * c2;
    [c0, c1, c2, c3] = [
      (product1 / WORD) ^ c1 ^ k0,
      product1 % WORD,
      (product0 / WORD) ^ c3 ^ k1,
      product0 % WORD,
    ];
    k0 = (k0 + 0x9e3779b9n) % WORD;
    k1 = (k1 + 0xbb67ae85n) % WORD;
  }
  return [Number(c0), Number(c1), Number(c2), Number(c3)];
}

/** The uniform number in [0, 1) of draw `index` of a stream: 53 bits of the block at (index, stream) under the seed. */
export function uniform(seed: number, index: number, stream: number): number {
  const [a, b] = philox(
    [index % 2 ** 32, Math.floor(index / 2 ** 32), stream, 0],
    [seed % 2 ** 32, Math.floor(seed / 2 ** 32)],
  );
  return (Math.floor(a / 2 ** 5) * 2 ** 26 + Math.floor(b / 2 ** 6)) / 2 ** 53;
}

/** Logits after bias, penalties and `minTokens`. */
export function adjust(
  logits: ArrayLike<number>,
  settings: SamplingSettings,
  history: History,
): Float64Array {
  const adjusted = Float64Array.from(logits);
  settings.logitBias.ids.forEach((id, i) => {
    adjusted[id]! += settings.logitBias.values[i]!;
  });
  for (const id of new Set([...history.prompt, ...history.output])) {
    const logit = adjusted[id]!;
    adjusted[id] = logit > 0 ? logit / settings.repetitionPenalty : logit * settings.repetitionPenalty;
  }
  for (const id of new Set(history.output)) adjusted[id]! -= settings.presencePenalty;
  for (const id of history.output) adjusted[id]! -= settings.frequencyPenalty;
  if (history.output.length < settings.minTokens)
    for (const id of settings.stopTokenIds) adjusted[id] = -Infinity;
  return adjusted;
}

/** The tokens that may be drawn, by ascending id, with their probabilities. Greedy leaves one. */
export function candidates(
  logits: ArrayLike<number>,
  settings: SamplingSettings,
  history: History,
): Candidate[] {
  const adjusted = adjust(logits, settings, history);
  const byLogit = [...adjusted.keys()].sort((a, b) => adjusted[b]! - adjusted[a]! || a - b);
  if (settings.temperature === 0) return [{ token: byLogit[0]!, probability: 1 }];

  const kept = settings.topK > 0 ? byLogit.slice(0, settings.topK) : byLogit;
  const largest = adjusted[kept[0]!]!;
  const weighed = kept.map((token) => ({
    token,
    probability: Math.exp((adjusted[token]! - largest) / settings.temperature),
  }));
  const nucleus = reaching(normalized(weighed), settings.topP);
  const enough = settings.minP * nucleus[0]!.probability;
  return normalized(nucleus.filter(({ probability }) => probability >= enough)).sort(
    (a, b) => a.token - b.token,
  );
}

/** The token that a row must choose. */
export function chooseToken(logits: ArrayLike<number>, settings: SamplingSettings, history: History): number {
  const choices = candidates(logits, settings, history);
  const target = uniform(settings.seed, history.output.length, settings.stream);
  let sum = 0;
  for (const { token, probability } of choices) {
    sum += probability;
    if (sum > target) return token;
  }
  return choices.at(-1)!.token;
}

/** Noise trials per choice: a token that half of them would choose is missed once in 65 536 times. */
const TRIALS = 16;

/**
 * True if a row whose logits are each off by at most `tolerance` could choose this token instead of the right one,
 * because the draw, or a cut, falls between the two.
 */
export function isCloseCall(
  token: number,
  logits: ArrayLike<number>,
  settings: SamplingSettings,
  history: History,
  tolerance: number,
): boolean {
  const random = new Random(history.output.length);
  const byNoise = Array.from({ length: TRIALS }).some(() => {
    const noisy = Array.from(logits, (logit) => logit + tolerance * (2 * random.next() - 1));
    return chooseToken(noisy, settings, history) === token;
  });
  return byNoise || isWithinTilt(token, logits, settings, history, tolerance);
}

/**
 * Errors that all point one way move the draw furthest, over many tokens where each is improbable: up on one side of the
 * right token and down on the other, they choose the lowest token in reach, and the reverse the highest.
 */
function isWithinTilt(
  token: number,
  logits: ArrayLike<number>,
  settings: SamplingSettings,
  history: History,
  tolerance: number,
): boolean {
  const right = chooseToken(logits, settings, history);
  const tilted = (error: number) =>
    chooseToken(
      Array.from(logits, (logit, id) => logit + (id < right ? error : -error)),
      settings,
      history,
    );
  const isAllowed = candidates(logits, settings, history).some((candidate) => candidate.token === token);
  return isAllowed && tilted(tolerance) <= token && token <= tilted(-tolerance);
}

function normalized(choices: readonly Candidate[]): Candidate[] {
  const total = choices.reduce((sum, { probability }) => sum + probability, 0);
  return choices.map(({ token, probability }) => ({ token, probability: probability / total }));
}

/** The smallest leading part whose probability reaches `enough`. */
function reaching(sorted: readonly Candidate[], enough: number): Candidate[] {
  if (enough >= 1) return [...sorted];
  let sum = 0;
  const last = sorted.findIndex(({ probability }) => {
    sum += probability;
    return sum >= enough;
  });
  return sorted.slice(0, last + 1);
}
