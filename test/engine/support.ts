// An engine on a fake runner, requests for it without text, and what the fake model answers.
import { planContext } from '#inhouse/engine/context-window.js';
import { Engine } from '#inhouse/engine/engine.js';
import type { EngineSettings } from '#inhouse/engine/engine-options.js';
import { type GenerateOptions, resolveOptions } from '#inhouse/engine/options.js';
import type { GenerationOutcome, GenerationRequest } from '#inhouse/engine/request.js';
import { Sequence, type StreamChunk } from '#inhouse/engine/sequence.js';
import type { Runner } from '#inhouse/runtime/runner.js';
import { nextToken } from '../support/fake-runner.js';

/** One byte per token, pages of one token, memory for everything, no prefix cache, all invariants checked. */
export function openEngine(
  runner: Runner,
  settings: Partial<EngineSettings> = {},
  now?: () => number,
): Engine {
  const { prefixCacheRows = 0 } = settings;
  const complete: EngineSettings = {
    maxBatchSize: runner.info.maxRows - prefixCacheRows,
    maxTokensPerStep: 512,
    chunkSize: undefined,
    maxWaiting: 1024,
    batchTimeoutMs: 0,
    kvLimitBytes: 2 ** 20,
    kvBytesPerToken: 1,
    pageTokens: 1,
    prefixCacheRows,
    device: undefined,
    onEvent: undefined,
    checkInvariants: true,
    ...settings,
  };
  return now ? new Engine(runner, complete, now) : new Engine(runner, complete);
}

export function request(
  prompt: readonly number[],
  given: GenerateOptions,
  onChunk: (chunk: StreamChunk) => void = () => {},
  contextLength = 64,
): GenerationRequest {
  const options = resolveOptions(given, []);
  const plan = planContext(prompt.length, options.maxTokens, contextLength, options.contextOverflow);
  const sequences = Array.from(
    { length: options.n },
    (_, index) =>
      new Sequence({ index, prompt, promptText: '', plan, options, contextLength, decoder: undefined }),
  );
  return { sequences, options, onChunk };
}

/** Submits a request; collects its chunks. */
export function submit(
  engine: Engine,
  prompt: readonly number[],
  given: GenerateOptions,
): { outcome: Promise<GenerationOutcome>; chunks: StreamChunk[] } {
  const chunks: StreamChunk[] = [];
  return { outcome: engine.submit(request(prompt, given, (chunk) => chunks.push(chunk))), chunks };
}

/** What the fake model says after a prompt. */
export function continuation(prompt: readonly number[], count: number): number[] {
  const tokens = [...prompt];
  for (let i = 0; i < count; i++) tokens.push(nextToken(tokens));
  return tokens.slice(prompt.length);
}
