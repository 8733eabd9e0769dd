// The money of one governed call: the most it may cost, what it has cost so far, what it did cost, attempts that failed
// included. It knows neither budgets nor who is told.
import { InhouseError, ProviderError } from '../errors.js';
import {
  type Completion,
  type CompletionChunk,
  type CompletionRequest,
  type Embedding,
  isEmbed,
  type Provider,
  type Usage,
} from '../providers/provider.js';
import { contentOf, type GovernedRequest } from './call-facts.js';
import type { GovernanceParts } from './parts.js';
import type { Cost, CostEstimate, PricedOperation } from './pricing/cost.js';
import type { DeviceSeconds } from './pricing/infrastructure.js';

/** In English, about. */
const CHARACTERS_PER_TOKEN = 4;

type Tokens = Pick<Usage, 'promptTokens' | 'completionTokens'>;

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
  #estimate: CostEstimate | undefined;
  #lostInfrastructureUsd = 0;
  #promptTokens = 0;
  /** Of the attempt under way. */
  #answerTokens = 0;
  #attemptStartedMs = 0;

  constructor(parts: GovernanceParts, operation: PricedOperation, request: GovernedRequest) {
    this.#parts = parts;
    this.#operation = operation;
    this.#request = request;
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

  beginAttempt(): void {
    this.hasAnswered = false;
    this.#answerTokens = 0;
    this.#attemptStartedMs = this.#parts.clock.monotonic();
  }

  /** Counts a piece of a streamed answer; returns what the call has cost with it. */
  addChunk({ text, tokens }: CompletionChunk): number {
    this.hasAnswered = true;
    // A remote chunk is a token as a rule; its own count comes with the end.
    this.#answerTokens += tokens?.length ?? (text === '' ? 0 : 1);
    return this.lostUsd + this.#priced(this.#tokensSoFar(), this.#attemptMs()).totalUsd;
  }

  /** Counts what an attempt spent that failed: as the error tells, else what the caller has seen of it. */
  addFailure(error: unknown): void {
    const { usage, computeMs }: Spent = error instanceof InhouseError ? error.details : {};
    if (usage && areCounts(usage)) this.lose(usage, computeMs);
    else if (this.hasAnswered) this.lose(this.#tokensSoFar());
  }

  /** Counts tokens that were paid for without a result, and the time they took: all of the attempt's if nobody knows. */
  lose(tokens: Tokens, computeMs = this.#attemptMs()): void {
    const { totalUsd, infrastructureUsd } = this.#priced(tokens, computeMs);
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
    const { inputTokens, outputTokens } = this.estimate;
    const message = `${result.provider} answered with a usage that counts no tokens; the estimate is charged.`;
    throw new ProviderError('INHOUSE_PROVIDER_MALFORMED', message, {
      details: { usage: { promptTokens: inputTokens, completionTokens: outputTokens, estimated: true } },
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
    const request = this.#request;
    const counted = countTokens(provider, request);
    this.#promptTokens = counted ?? roughTokens(request);
    const estimate = pricing.estimate({
      model: request.model,
      provider: provider.name,
      promptTokens: this.#promptTokens,
      maxTokens: isEmbed(request) ? 0 : request.maxTokens,
      choices: isEmbed(request) ? 1 : request.n,
      operation: this.#operation,
    });
    const isExact = counted !== undefined && provider.capabilities.exactTokenCounts;
    const bounded = isExact || !estimate.isUpperBound ? estimate : { ...estimate, isUpperBound: false };
    return costTracking ? bounded : { ...bounded, ...FREE };
  }

  #tokensSoFar(): Tokens {
    return { promptTokens: this.#promptTokens, completionTokens: this.#answerTokens };
  }

  /** At the provider that was called. */
  #priced(usage: Tokens, computeMs: number): Cost {
    const { pricing, provider, costTracking } = this.#parts;
    const cost = pricing.cost({
      model: this.#request.model,
      provider: provider.name,
      usage,
      operation: this.#operation,
      computeSeconds: this.#compute(computeMs),
    });
    return costTracking ? cost : { ...cost, ...FREE };
  }

  #attemptMs(): number {
    return Math.max(0, this.#parts.clock.monotonic() - this.#attemptStartedMs);
  }

  /** Providers do not tell which device worked. */
  #compute(ms: number): DeviceSeconds | undefined {
    return this.#parts.provider.kind === 'local' ? { cpu: ms / 1000, gpu: 0 } : undefined;
  }
}

/** Undefined where the provider cannot count: what is wrong with the request it will say when it is asked to serve it. */
function countTokens(provider: Provider, request: GovernedRequest): number | undefined {
  try {
    const tokens = provider.countTokens(request);
    return tokens >= 0 && Number.isFinite(tokens) ? tokens : undefined;
  } catch {
    return undefined;
  }
}

function roughTokens(request: GovernedRequest): number {
  const text = contentOf(request);
  if (text !== undefined) return Math.ceil(text.length / CHARACTERS_PER_TOKEN);
  return (request as CompletionRequest).prompt.length;
}

function areCounts({ promptTokens, completionTokens }: Tokens): boolean {
  return promptTokens >= 0 && completionTokens >= 0 && Number.isFinite(promptTokens + completionTokens);
}
