// What an engine has done since it was opened, as metrics that any exporter can take over. Names and boundaries of
// `gen_ai.*` are OpenTelemetry's (GenAI semantic conventions); `inhouse.*` follow vLLM's where it has a word.
import type { DeviceStatistics } from '../runtime/runner.js';
import { Histogram, type HistogramData } from './histogram.js';
import type { Timings } from './request.js';
import type { PrefixStatistics } from './rows.js';

export type Metric = { readonly name: string; readonly unit: string; readonly description: string } & (
  | { readonly kind: 'counter' | 'gauge'; readonly value: number }
  | { readonly kind: 'histogram'; readonly data: HistogramData }
);

/** What is so now, beside what has been counted. */
export interface EngineGauges {
  readonly running: number;
  readonly waiting: number;
  readonly kvUsedBytes: number;
  readonly kvLimitBytes: number;
  readonly prefix: PrefixStatistics;
  readonly device: DeviceStatistics | undefined;
}

const DURATION_S = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
const TOKEN_S = [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5];
const FIRST_TOKEN_S = [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];
const BATCH_SIZES = [1, 2, 4, 8, 16, 32, 64, 128];

export class EngineMetrics {
  readonly #firstToken = new Histogram(FIRST_TOKEN_S);
  readonly #perToken = new Histogram(TOKEN_S);
  readonly #interToken = new Histogram(TOKEN_S);
  readonly #request = new Histogram(DURATION_S);
  readonly #queue = new Histogram(DURATION_S);
  readonly #batch = new Histogram(BATCH_SIZES);
  readonly #step = new Histogram(TOKEN_S);
  #schedulerMs = 0;
  #promptTokens = 0;
  #generationTokens = 0;
  #preemptions = 0;
  #successes = 0;
  #failures = 0;
  #refusals = 0;

  get preemptions(): number {
    return this.#preemptions;
  }

  noteStep(rows: number, stepMs: number, schedulerMs: number): void {
    if (rows > 0) this.#batch.record(rows);
    this.#step.record(stepMs / 1000);
    this.#schedulerMs += schedulerMs;
  }

  notePrompt(tokens: number): void {
    this.#promptTokens += tokens;
  }

  noteTokens(count: number): void {
    this.#generationTokens += count;
  }

  noteGap(ms: number): void {
    this.#interToken.record(ms / 1000);
  }

  notePreemption(): void {
    this.#preemptions += 1;
  }

  noteStart(queueMs: number): void {
    this.#queue.record(queueMs / 1000);
  }

  noteSuccess({ totalMs, timeToFirstTokenMs, perTokenMs }: Timings): void {
    this.#successes += 1;
    this.#request.record(totalMs / 1000);
    if (timeToFirstTokenMs !== undefined) this.#firstToken.record(timeToFirstTokenMs / 1000);
    if (perTokenMs !== undefined) this.#perToken.record(perTokenMs / 1000);
  }

  noteFailure(): void {
    this.#failures += 1;
  }

  noteRefusal(): void {
    this.#refusals += 1;
  }

  snapshot(now: EngineGauges): readonly Metric[] {
    const { prefix } = now;
    return [
      histogram(
        'gen_ai.server.time_to_first_token',
        's',
        'Call to first token, queue included',
        this.#firstToken,
      ),
      histogram(
        'gen_ai.server.time_per_output_token',
        's',
        'Mean per request, after the first token',
        this.#perToken,
      ),
      histogram('gen_ai.server.request.duration', 's', 'Call to last token', this.#request),
      histogram('inhouse.inter_token_latency', 's', 'Between two tokens of a choice', this.#interToken),
      histogram('inhouse.request_queue_time', 's', 'Call to first work on it', this.#queue),
      histogram('inhouse.batch_size', '{sequence}', 'Sequences per decode step', this.#batch),
      histogram('inhouse.step_duration', 's', 'One step of the engine, all its runner calls', this.#step),
      counter(
        'inhouse.scheduler_time',
        's',
        'Spent on deciding what steps compute',
        this.#schedulerMs / 1000,
      ),
      gauge('inhouse.num_requests_running', '{sequence}', 'Choices that hold a row', now.running),
      gauge('inhouse.num_requests_waiting', '{sequence}', 'Choices that wait for a row', now.waiting),
      gauge(
        'inhouse.kv_cache_usage',
        'By',
        'KV memory that rows claim, cached ones included',
        now.kvUsedBytes,
      ),
      gauge('inhouse.kv_cache_limit', 'By', 'KV memory that rows may claim', now.kvLimitBytes),
      gauge('inhouse.kv_cache_usage_perc', '1', 'Share of the limit', now.kvUsedBytes / now.kvLimitBytes),
      counter('inhouse.prompt_tokens', '{token}', 'Computed, not copied', this.#promptTokens),
      counter('inhouse.generation_tokens', '{token}', 'Generated', this.#generationTokens),
      counter(
        'inhouse.num_preemptions',
        '{sequence}',
        'Rows taken back for want of memory',
        this.#preemptions,
      ),
      counter('inhouse.prefix_cache_queries', '{sequence}', 'Rows given out', prefix.lookups),
      counter('inhouse.prefix_cache_hits', '{sequence}', 'Rows that began with a copy', prefix.hits),
      counter(
        'inhouse.prefix_cache_saved_tokens',
        '{token}',
        'Copied instead of computed',
        prefix.tokensSaved,
      ),
      counter(
        'inhouse.prefix_cache_evictions',
        '{sequence}',
        'Finished sequences given up',
        prefix.evictions,
      ),
      counter('inhouse.request_success', '{request}', 'Ended, aborted ones included', this.#successes),
      counter('inhouse.request_failure', '{request}', 'Failed after they were accepted', this.#failures),
      counter('inhouse.request_refused', '{request}', 'Never accepted', this.#refusals),
      ...(now.device ? deviceGauges(now.device) : []),
    ];
  }
}

function deviceGauges(device: DeviceStatistics): Metric[] {
  const { totalBytes, usedBytes, freeBytes, processBytes, weightBytes } = device;
  const of = (what: string, description: string, bytes: number) =>
    gauge(`inhouse.device_memory_${what}`, 'By', description, bytes);
  return [
    of('total', 'What the GPU has', totalBytes),
    of('used', 'Taken on the GPU, by all processes', usedBytes),
    of('free', 'Left on the GPU', freeBytes),
    ...(processBytes === undefined ? [] : [of('process', 'Taken by this process', processBytes)]),
    of('weights', "The model's weights, with what loading them took", weightBytes),
    of('in_use', "The model's weights, KV and workspace", device.inUseBytes),
    of('in_use_peak', 'The most they were', device.inUsePeakBytes),
    of('held', 'Taken for them, in use or kept for later', device.heldBytes),
  ];
}

function histogram(name: string, unit: string, description: string, { data }: Histogram): Metric {
  return { name, unit, description, kind: 'histogram', data };
}

function counter(name: string, unit: string, description: string, value: number): Metric {
  return { name, unit, description, kind: 'counter', value };
}

function gauge(name: string, unit: string, description: string, value: number): Metric {
  return { name, unit, description, kind: 'gauge', value };
}
