// The money of one governed call: the most it may cost, what it has cost so far, what it did cost, attempts that failed
// included. It knows neither budgets nor who is told.
import { InhouseError, ProviderError } from '../errors.js';
import type {
  Completion,
  CompletionChunk,
  Embedding,
  Provider,
  Target,
  Usage,
} from '../providers/provider.js';
import { dearest, estimateAt } from './call-estimate.js';
import type { GovernedRequest } from './call-facts.js';
import type { CallTimes } from './call-times.js';
import type { GovernanceParts } from './parts.js';
import type { Cost, CostEstimate, CostType, PricedOperation } from './pricing/cost.js';
import type { DeviceSeconds } from './pricing/infrastructure.js';

type Tokens = Pick<Usage, 'promptTokens' | 'completionTokens'>;

/** A provider that may serve, and the most it may cost there. */
interface PricedTarget extends Target {
  readonly estimate: CostEstimate;
}

/** What an error may tell of the work that was done before it. */
interface Spent {
  readonly usage?: Tokens;
  readonly computeMs?: number;
}

/** Costs where nobody asks for them. */
const FREE = { totalUsd: 0, inputUsd: 0, outputUsd: 0, tokenUsd: 0, infrastructureUsd: undefined };

export class CallCosts {
  /** Of attempts that failed after they had begun to work, and of answers that were refused. */
  lostUsd = 0;
  lostPromptTokens = 0;
  lostCompletionTokens = 0;
  /** Whether the attempt under way has answered something already. */
  hasAnswered = false;
  readonly #parts: GovernanceParts;
  readonly #operation: PricedOperation;
  readonly #request: GovernedRequest;
  readonly #times: CallTimes;
  #estimate: CostEstimate | undefined;
  /** Undefined where the provider serves itself. */
  #targets: readonly PricedTarget[] | undefined;
  #provider: Provider;
  #model: string;
  /** At the provider that is asked. */
  #promptTokens = 0;
  #estimatedBy: CostType = 'token';
  #chargedBy: CostType = 'token';
  #lostInfrastructureUsd = 0;
  /** Of the attempt under way. */
  #answerTokens = 0;
  #attemptStartedMs = 0;

  constructor(
    parts: GovernanceParts,
    operation: PricedOperation,
    request: GovernedRequest,
    times: CallTimes,
  ) {
    this.#parts = parts;
    this.#operation = operation;
    this.#request = request;
    this.#times = times;
    this.#provider = parts.provider;
    this.#model = request.model;
  }

  /** Who is asked: where the provider is one over others, the one that it asked last. */
  get provider(): Provider {
    return this.#provider;
  }

  /** What it is asked for. */
  get model(): string {
    return this.#model;
  }

  /** The most the call may cost. Made when it is first asked for: a policy may stop the call before tokens are counted. */
  get estimate(): CostEstimate {
    this.#estimate ??= this.#estimated();
    return this.#estimate;
  }

  /** Undefined while nobody has asked. */
  get estimatedUsd(): number | undefined {
    return this.#estimate?.totalUsd;
  }

  /** Of all attempts; `cost` is that of the one that succeeded. */
  totalUsd(cost: Cost | undefined): number {
    return this.lostUsd + (cost?.totalUsd ?? 0);
  }

  /** As `totalUsd`; undefined where nobody measured. */
  infrastructureUsd(cost: Cost | undefined): number | undefined {
    const ofResult = cost?.infrastructureUsd;
    if (ofResult === undefined && this.#lostInfrastructureUsd === 0) return undefined;
    return this.#lostInfrastructureUsd + (ofResult ?? 0);
  }

  /** From here on the work is this provider's, at its price. */
  ask(provider: Provider, model: string): void {
    this.#provider = provider;
    this.#model = model;
    const asked = this.#targets?.find(
      (one) => one.provider.name === provider.name && one.request.model === model,
    );
    if (asked) this.#expect(asked.estimate);
  }

  beginAttempt(): void {
    this.hasAnswered = false;
    this.#answerTokens = 0;
    this.#attemptStartedMs = this.#times.elapsedMs;
  }

  /** Counts a piece of a streamed answer; returns what the call has cost with it. */
  addChunk({ text, tokens }: CompletionChunk): number {
    this.hasAnswered = true;
    // A remote chunk is a token as a rule; its own count comes with the end.
    this.#answerTokens += tokens?.length ?? (text === '' ? 0 : 1);
    const { totalUsd, type } = this.#priced(this.#tokensSoFar(), this.#attemptMs());
    this.#chargedBy = type;
    return this.lostUsd + totalUsd;
  }

  /** Whether a streamed answer is charged by what it was estimated by: the price of tokens says nothing of time. */
  get isComparable(): boolean {
    return this.#chargedBy === this.#estimatedBy;
  }

  /** Counts what an attempt spent that failed: as the error tells, else what the caller has seen of it. */
  addFailure(error: unknown): void {
    const { usage, computeMs }: Spent = error instanceof InhouseError ? error.details : {};
    const seen = this.hasAnswered ? this.#tokensSoFar() : undefined;
    const tokens = usage && areCounts(usage) ? usage : seen;
    if (tokens) this.#lose(tokens, this.#priced(tokens, computeMs ?? this.#attemptMs()));
  }

  /** An answer that is not handed out: it has been computed, so it is paid for. */
  addRefused(result: Completion | Embedding): void {
    this.#lose(result.usage, this.actual(result));
  }

  #lose(tokens: Tokens, { totalUsd, infrastructureUsd }: Cost): void {
    this.lostPromptTokens += tokens.promptTokens;
    this.lostCompletionTokens += tokens.completionTokens;
    this.lostUsd += totalUsd;
    this.#lostInfrastructureUsd += infrastructureUsd ?? 0;
  }

  /**
   * The answer, if its tokens can be counted.
   * @throws ProviderError `INHOUSE_PROVIDER_MALFORMED` otherwise, with the estimate as what was spent
   */
  requireCounts<Result extends Completion | Embedding>(result: Result): Result {
    if (areCounts(result.usage)) return result;
    const { outputTokens } = this.estimate;
    const message = `${result.provider} answered with a usage that counts no tokens; the estimate is charged.`;
    throw new ProviderError('INHOUSE_PROVIDER_MALFORMED', message, {
      details: {
        usage: { promptTokens: this.#promptTokens, completionTokens: outputTokens, estimated: true },
      },
    });
  }

  /** What an answer cost at the provider that gave it. */
  actual({ model, provider, usage, timings }: Completion | Embedding): Cost {
    const { pricing, costTracking } = this.#parts;
    const computeMs = timings.computeMs ?? Math.max(0, timings.totalMs - (timings.queueMs ?? 0));
    const cost = pricing.actual({
      model,
      provider,
      usage,
      operation: this.#operation,
      computeSeconds: this.#compute(computeMs),
    });
    return costTracking ? cost : { ...cost, ...FREE };
  }

  #estimated(): CostEstimate {
    const { provider, pricing, costTracking } = this.#parts;
    const targets = provider.targets?.(this.#request);
    const estimate = targets
      ? this.#dearest(targets)
      : estimateAt(provider, this.#request, this.#operation, pricing);
    this.#expect(estimate);
    return costTracking ? estimate : { ...estimate, ...FREE };
  }

  /** Of the provider that is asked. */
  #expect({ inputTokens, type }: CostEstimate): void {
    this.#promptTokens = inputTokens;
    this.#estimatedBy = type;
  }

  #dearest(targets: readonly Target[]): CostEstimate {
    this.#targets = targets.map((target) => ({
      ...target,
      estimate: estimateAt(target.provider, target.request, this.#operation, this.#parts.pricing),
    }));
    return dearest(this.#targets.map(({ estimate }) => estimate));
  }

  #tokensSoFar(): Tokens {
    return { promptTokens: this.#promptTokens, completionTokens: this.#answerTokens };
  }

  /** At the provider that is asked. */
  #priced(usage: Tokens, computeMs: number): Cost {
    const { pricing, costTracking } = this.#parts;
    const cost = pricing.cost({
      model: this.#model,
      provider: this.#provider.name,
      usage,
      operation: this.#operation,
      computeSeconds: this.#compute(computeMs),
    });
    return costTracking ? cost : { ...cost, ...FREE };
  }

  #attemptMs(): number {
    return this.#times.elapsedMs - this.#attemptStartedMs;
  }

  /** Providers do not tell which device worked. */
  #compute(ms: number): DeviceSeconds | undefined {
    return this.#provider.kind === 'local' ? { cpu: ms / 1000, gpu: 0 } : undefined;
  }
}

function areCounts({ promptTokens, completionTokens }: Tokens): boolean {
  return promptTokens >= 0 && completionTokens >= 0 && Number.isFinite(promptTokens + completionTokens);
}
