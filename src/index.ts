// The public API, an explicit list.
export type { DownloadProgress } from './checkpoint/hub.js';
export type { DisposeOptions, EngineStatistics } from './engine/engine.js';
export type { EngineOptions } from './engine/engine-options.js';
export type { EngineEvent, EventListener, PreemptionReason } from './engine/events.js';
export type { HistogramData } from './engine/histogram.js';
export type { Metric } from './engine/metrics.js';
export type { ContextOverflow, GeneratedToken, GenerateOptions } from './engine/options.js';
export type { Timings } from './engine/request.js';
export type { PrefixStatistics } from './engine/rows.js';
export type { FinishReason, SequenceResult, StreamChunk, TokenLogprobs } from './engine/sequence.js';
export {
  ArtefactError,
  CheckpointError,
  DisposedError,
  ERROR_CATALOGUE,
  type ErrorCode,
  HubError,
  InhouseError,
  InvalidInputError,
  QueueFullError,
  RunnerError,
  TimeoutError,
} from './errors.js';
export type { GenerationResult, Prompt, Usage } from './generation.js';
export type { Precision, PrecisionSpec } from './graph/precision.js';
export { type LoadOptions, type LoadProgress, load } from './load.js';
export type {
  EmbedOptions,
  GenerationStream,
  Model,
  ModelInfo,
  ModelStatistics,
  TokenizeOptions,
} from './model.js';
export type { KvStatistics, RunnerInfo, RunnerStatistics, TokenLogprob } from './runtime/runner.js';
export type { Score, ScoreOptions } from './scoring/score.js';
