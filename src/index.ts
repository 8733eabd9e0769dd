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
  AbortedError,
  ArtefactError,
  BudgetExceededError,
  CheckpointError,
  CircuitOpenError,
  DisposedError,
  ERROR_CATALOGUE,
  type ErrorCode,
  HubError,
  InhouseError,
  InvalidInputError,
  LedgerError,
  ModelUnavailableError,
  PolicyViolationError,
  ProviderError,
  QueueFullError,
  RunnerError,
  SessionError,
  TagValidationError,
  TimeoutError,
} from './errors.js';
export type { GenerationResult, Prompt, Usage } from './generation.js';
export {
  asOperationRecord,
  asTogetherResult,
  type OperationRecord,
  type TogetherResult,
} from './governance/adapter-results.js';
export {
  Admission,
  type AdmissionLimits,
  queueFullBody,
  queueFullHeaders,
  queueHeaders,
} from './governance/admission.js';
export type { AttributeInput, Attributes } from './governance/attributes.js';
export {
  clearContext,
  clearDefaultAttributes,
  getContext,
  getDefaultAttributes,
  runWithAttributes,
  setContext,
  setDefaultAttributes,
  updateDefaultAttributes,
} from './governance/attribution.js';
export type { AuditRecord } from './governance/audit.js';
export { CircuitBreaker } from './governance/breaker.js';
export type { BudgetAlert } from './governance/budget.js';
export type { BudgetDefinition } from './governance/budget-definition.js';
export { type BudgetStatus, budgetReport } from './governance/budget-report.js';
export type { GovernedCallOptions } from './governance/call-facts.js';
export { type Clock, systemClock } from './governance/clock.js';
export { type GovernanceReport, governanceOf } from './governance/governance-report.js';
export {
  type GovernanceStatus,
  type GovernedCompletion,
  type GovernedEmbedding,
  GovernedProvider,
  type GovernedStream,
  govern,
} from './governance/governed-provider.js';
export { instrumentor, providerInstrumentation } from './governance/instrument.js';
export { openAiInstrumentation } from './governance/instrument-openai.js';
export type { Ledger, LedgerEntry } from './governance/ledger.js';
export { FileLedger } from './governance/ledger-file.js';
export { consoleLogger, type Logger } from './governance/logging.js';
export type { OperationAlert, OperationThresholds } from './governance/operation-alerts.js';
export { GOVERN_PROFILES, type GovernancePolicy, type GovernOptions } from './governance/options.js';
export type { GovernedChunk } from './governance/pipeline.js';
export type { Policy, PolicyDecision } from './governance/policy.js';
export {
  analyzeCosts,
  cheaperAlternatives,
  compareModels,
  costSuggestions,
  recommendModel,
} from './governance/pricing/advice.js';
export { PricingCatalogue } from './governance/pricing/catalogue.js';
export type { Cost, CostEstimate } from './governance/pricing/cost.js';
export type { ModelPrice, PriceInput } from './governance/pricing/price.js';
export { type GpuReading, ResourceMonitor, type ResourceUsage } from './governance/resources.js';
export { GATEWAY_RETRY, type RetryPolicy, retryPolicy } from './governance/retry.js';
export type { Session, SessionOptions } from './governance/session.js';
export type { CostSummary } from './governance/summary.js';
export {
  customRule,
  enumRule,
  lengthRule,
  patternRule,
  requiredRule,
  type TagRule,
} from './governance/tag-rules.js';
export {
  recordCostSummary,
  track,
  trackCost,
  trackEvaluation,
  trackUsage,
} from './governance/telemetry/track.js';
export {
  isSetupValid,
  type SetupOptions,
  type SetupValidation,
  validateSetup,
  validationReport,
} from './governance/validate.js';
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
export { balanced } from './providers/balanced.js';
export { type LocalOptions, local } from './providers/local.js';
export { type OpenAiCompatibleOptions, openAiCompatible } from './providers/openai-compatible.js';
export { openAiFetch } from './providers/openai-fetch.js';
export { anyscale, type PresetOptions, together, vllm } from './providers/presets.js';
export type {
  CallOptions,
  ChatRequest,
  Completion,
  CompletionChunk,
  CompletionRequest,
  CompletionStream,
  Embedding,
  EmbedRequest,
  Message,
  Provider,
  Target,
} from './providers/provider.js';
export { type Route, router } from './providers/router.js';
export { type StubOptions, stub } from './providers/stub.js';
export type { CudaOptions, DeviceChoice } from './runtime/device.js';
export { gpuStatistics } from './runtime/native/memory.js';
export type {
  DeviceStatistics,
  KvStatistics,
  RunnerInfo,
  RunnerStatistics,
  TokenLogprob,
} from './runtime/runner.js';
export type { Score, ScoreOptions } from './scoring/score.js';
