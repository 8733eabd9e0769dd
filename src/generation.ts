// From a prompt and options to a request for the engine, and from its outcome to the result a user sees.
import { planContext } from './engine/context-window.js';
import { type GenerateOptions, type ResolvedOptions, resolveOptions } from './engine/options.js';
import type { GenerationOutcome, GenerationRequest, Timings } from './engine/request.js';
import { Sequence, type SequenceResult, type StreamChunk } from './engine/sequence.js';
import { CheckpointError, InvalidInputError } from './errors.js';
import { invalidOption } from './options.js';
import type { Tokenizer } from './tokenizer/tokenizer.js';

/** Text, or the ids of its tokens. */
export type Prompt = string | readonly number[];

export interface Usage {
  /** Without the tokens that the context had no room for; 0 when the call ended before any work on it. */
  readonly promptTokens: number;
  /** Of all choices, stop tokens included. */
  readonly completionTokens: number;
  readonly totalTokens: number;
}

/** The first choice, and beside it what concerns the whole call. */
export interface GenerationResult extends Omit<SequenceResult, 'index'> {
  /** All n choices; the first is also the result itself. */
  readonly choices: readonly SequenceResult[];
  readonly usage: Usage;
  /** The request's: its caller's own, or drawn. */
  readonly id: string;
  /** Prompt tokens, over all choices, that were copied from the prefix cache or another choice instead of computed. */
  readonly cachedTokens: number;
  /** With the same prompt and options, gives the same text again. */
  readonly seed: number;
  readonly timings: Timings;
}

/** What a generation needs to know of the model. */
export interface GenerationContext {
  readonly tokenizer: Tokenizer | undefined;
  readonly vocabularySize: number;
  readonly contextLength: number;
  readonly eosTokenIds: readonly number[];
}

export interface PreparedGeneration {
  readonly request: GenerationRequest;
  readonly toResult: (outcome: GenerationOutcome) => GenerationResult;
}

/** Checks everything that can be checked before any work. Throws `InvalidInputError` or `CheckpointError`. */
export function prepareGeneration(
  context: GenerationContext,
  prompt: Prompt,
  given: GenerateOptions,
  onChunk: (chunk: StreamChunk) => void,
  abandoned?: AbortSignal,
): PreparedGeneration {
  const options = resolveOptions(given, context.eosTokenIds);
  checkTokenOptions(context, options);
  const ids = encodePrompt(context, prompt, options.allowSpecialTokens);
  const plan = planContext(ids.length, options.maxTokens, context.contextLength, options.contextOverflow);
  const promptText =
    typeof prompt === 'string' ? prompt : (context.tokenizer?.decode(ids, { skipUnknown: true }) ?? '');
  const sequences = Array.from(
    { length: options.n },
    (_, index) =>
      new Sequence({
        index,
        prompt: ids,
        promptText,
        plan,
        options,
        contextLength: context.contextLength,
        decoder: context.tokenizer?.incremental({ skipUnknown: true }),
      }),
  );
  return {
    request: {
      sequences,
      options,
      onChunk: (chunk) => {
        reportTokens(options, chunk);
        onChunk(chunk);
      },
      ...(abandoned && { abandoned }),
    },
    toResult: (outcome) => toResult(outcome, options),
  };
}

/**
 * The ids of a text, or a copy of the given ids, checked. Throws `INHOUSE_INVALID_TOKEN` and what `Tokenizer.encode`
 * throws.
 */
export function encodePrompt(
  { tokenizer, vocabularySize }: Pick<GenerationContext, 'tokenizer' | 'vocabularySize'>,
  prompt: Prompt,
  allowSpecial: boolean,
): readonly number[] {
  if (typeof prompt !== 'string' && !Array.isArray(prompt)) {
    throw new InvalidInputError(
      'INHOUSE_INVALID_TEXT',
      'The prompt must be a string or an array of token ids.',
    );
  }
  const ids =
    typeof prompt === 'string' ? requireTokenizer(tokenizer).encode(prompt, { allowSpecial }) : [...prompt];
  const at = ids.findIndex((id) => !Number.isInteger(id) || id < 0 || id >= vocabularySize);
  if (at === -1) return ids;
  const bad = ids[at];
  throw new InvalidInputError(
    'INHOUSE_INVALID_TOKEN',
    `Token id ${String(bad)} is not in the model's vocabulary, 0 to ${vocabularySize - 1}.`,
    { details: { token: bad, vocabularySize } },
  );
}

export function requireTokenizer(tokenizer: Tokenizer | undefined): Tokenizer {
  if (tokenizer) return tokenizer;
  throw new CheckpointError(
    'INHOUSE_TOKENIZER_MISSING',
    'This model was loaded from a folder without tokenizer files, so it takes and gives token ids only. ' +
      'Put its tokenizer.json beside config.json, or pass token ids.',
  );
}

function checkTokenOptions({ tokenizer, vocabularySize }: GenerationContext, options: ResolvedOptions): void {
  if (options.stop.length > 0) requireTokenizer(tokenizer);
  const { stopTokenIds, logitBias } = options.sampling;
  for (const [name, ids] of [
    ['stopTokenIds', stopTokenIds],
    ['logitBias', logitBias.ids],
  ] as const) {
    const bad = ids.find((id) => id >= vocabularySize);
    if (bad !== undefined)
      throw invalidOption('generate', name, bad, `token ids up to ${vocabularySize - 1}`);
  }
}

function reportTokens({ onToken }: ResolvedOptions, { index, text, tokens, logprobs }: StreamChunk): void {
  const [token] = tokens;
  if (!onToken || token === undefined) return;
  const [logprob] = logprobs ?? [];
  onToken({ index, token, text, ...(logprob && { logprob: logprob.logprob, topLogprobs: logprob.top }) });
}

function toResult(
  { sequences, promptTokens, timings, cachedTokens }: GenerationOutcome,
  { id, sampling: { seed } }: ResolvedOptions,
): GenerationResult {
  const { index: _, ...first } = sequences[0]!;
  const completionTokens = sequences.reduce((sum, { tokens }) => sum + tokens.length, 0);
  const usage = { promptTokens, completionTokens, totalTokens: promptTokens + completionTokens };
  return { ...first, id, choices: sequences, usage, cachedTokens, seed, timings };
}
