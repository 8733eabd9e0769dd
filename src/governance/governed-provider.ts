// A provider under governance: the same interface, and with it sessions, budgets, costs and status.
import { LedgerError } from '../errors.js';
import { invalidOption, missing, rule } from '../options.js';
import { completionStream } from '../providers/completion-stream.js';
import type {
  ChatRequest,
  Completion,
  CompletionRequest,
  CompletionStream,
  Embedding,
  EmbedRequest,
  GenerationRequest,
  Health,
  ModelDescription,
  Provider,
  Target,
} from '../providers/provider.js';
import type { AdmissionStatus } from './admission.js';
import type { AttributeInput, Attributes } from './attributes.js';
import type { AuditRecord } from './audit.js';
import type { BreakerStatus } from './breaker.js';
import type { BudgetStatus } from './budget-report.js';
import type { GovernedCallOptions } from './call-facts.js';
import type { GovernancePolicy, GovernOptions } from './options.js';
import { type GovernanceParts, governanceParts } from './parts.js';
import { type Governed, type GovernedChunk, runGoverned, streamAttempt } from './pipeline.js';
import type { ModelPrice } from './pricing/price.js';
import type { Session, SessionOptions } from './session.js';
import { type CostSummary, costSummary } from './summary.js';
import type { Fault } from './telemetry/faults.js';

export type GovernedCompletion = Governed<Completion>;
export type GovernedEmbedding = Governed<Embedding>;

/** What governance refuses rejects `result` and ends the iteration. */
export interface GovernedStream extends CompletionStream, AsyncIterable<GovernedChunk> {
  readonly result: Promise<GovernedCompletion>;
  [Symbol.asyncIterator](): AsyncIterator<GovernedChunk>;
}

/** A model, and what it costs. */
export interface AvailableModel extends ModelDescription {
  /** Undefined where no source tells. */
  readonly price: ModelPrice | undefined;
}

export interface GovernanceStatus {
  readonly provider: string;
  readonly governanceEnabled: boolean;
  readonly governancePolicy: GovernancePolicy;
  readonly admission: AdmissionStatus;
  /** Undefined where there is none. */
  readonly circuitBreaker: BreakerStatus | undefined;
  readonly activeSessions: number;
  /** Faults of telemetry, callbacks and the ledger: none of them failed a call. */
  readonly faults: number;
  readonly lastFault: Fault | undefined;
  readonly logLevel: string;
}

/**
 * Puts a provider under governance. Every call then goes through the pipeline (pipeline.ts) and its result says in
 * `governance` what was decided and what it cost; `governanceOf(error)` says it of a call that failed.
 * @throws InvalidInputError for what is no provider, and for an option that is unknown or cannot be meant
 */
export function govern(provider: Provider, options: GovernOptions = {}): GovernedProvider {
  if (providerRule(provider)) {
    throw invalidOption(
      'govern',
      'provider',
      provider,
      'a provider, such as local(model) or openAiCompatible({ baseUrl })',
    );
  }
  return new GovernedProvider(governanceParts(provider, options));
}

const providerRule = rule.methods(
  'complete',
  'chat',
  'stream',
  'embed',
  'countTokens',
  'listModels',
  'health',
);

export class GovernedProvider implements Provider {
  readonly name: string;
  readonly kind: Provider['kind'];
  readonly capabilities: Provider['capabilities'];
  readonly #parts: GovernanceParts;
  readonly #startedMs: number;
  #restored = false;
  #restoredOperations = 0;

  /** Use `govern`. */
  constructor(parts: GovernanceParts) {
    this.#parts = parts;
    this.name = parts.provider.name;
    this.kind = parts.provider.kind;
    this.capabilities = parts.provider.capabilities;
    this.#startedMs = parts.clock.monotonic();
  }

  /**
   * Rejects as the provider does, and with TagValidationError, PolicyViolationError, BudgetExceededError,
   * CircuitOpenError or QueueFullError where governance stops the call.
   */
  complete(request: CompletionRequest, call?: GovernedCallOptions): Promise<GovernedCompletion> {
    const { provider } = this.#parts;
    const whole = this.#withDefaults(request);
    return runGoverned(this.#parts, 'complete', whole, call, ({ providerOptions }) =>
      provider.complete(whole, providerOptions),
    );
  }

  /** Rejects as `complete` does. */
  chat(request: ChatRequest, call?: GovernedCallOptions): Promise<GovernedCompletion> {
    const { provider } = this.#parts;
    const whole = this.#withDefaults(request);
    return runGoverned(this.#parts, 'chat', whole, call, ({ providerOptions }) =>
      provider.chat(whole, providerOptions),
    );
  }

  stream(request: GenerationRequest, call?: GovernedCallOptions): GovernedStream {
    const whole = this.#withDefaults(request);
    return completionStream<GovernedCompletion, GovernedChunk>((emit, readerLeft) =>
      runGoverned(
        this.#parts,
        'stream',
        whole,
        call,
        (governed) => streamAttempt(this.#parts, governed, whole, emit, readerLeft),
        readerLeft,
      ),
    );
  }

  /** Rejects as `complete` does. */
  embed(request: EmbedRequest, call?: GovernedCallOptions): Promise<GovernedEmbedding> {
    const { provider } = this.#parts;
    return runGoverned(this.#parts, 'embed', request, call, ({ providerOptions }) =>
      provider.embed(request, providerOptions),
    );
  }

  countTokens(request: GenerationRequest | EmbedRequest): number {
    return this.#parts.provider.countTokens(request);
  }

  contextLength(model: string): number | undefined {
    return this.#parts.provider.contextLength?.(model);
  }

  targets(request: GenerationRequest | EmbedRequest): readonly Target[] | undefined {
    return this.#parts.provider.targets?.(request);
  }

  listModels(): Promise<readonly ModelDescription[]> {
    return this.#parts.provider.listModels();
  }

  /** The models with their prices; empty when the provider does not answer. */
  async listAvailableModels(): Promise<readonly AvailableModel[]> {
    const { pricing, provider } = this.#parts;
    const models = await provider.listModels().catch(() => []);
    return models.map((model) => ({ ...model, price: pricing.lookup(model.id, provider.name) }));
  }

  health(): Promise<Health> {
    return this.#parts.provider.health();
  }

  /** Runs `body` with attributes for every call of this provider inside it. */
  governanceContext<T>(attributes: AttributeInput, body: (inForce: Attributes) => T): T {
    return this.#parts.attribution.scope(attributes, body);
  }

  /** Runs `body` in a session; calls count in it that name its id. */
  trackSession<T>(options: SessionOptions, body: (session: Session) => T | Promise<T>): Promise<T> {
    return this.#parts.sessions.track(options, body);
  }

  /**
   * Counts what the ledger remembers, in budgets and totals. Once, before the first call.
   * @throws LedgerError when it cannot be read, and `INHOUSE_LEDGER_COUNTED` where costs would be counted twice
   */
  async restore(): Promise<void> {
    const { budgets, ledger, totals } = this.#parts;
    if (this.#restored) throw countedTwice();
    this.#restored = true;
    try {
      this.#requireUncounted();
      const entries = await ledger.load();
      this.#requireUncounted(); // a call may have ended meanwhile
      budgets.restore(entries);
      this.#restoredOperations = totals.restore(entries);
    } catch (error) {
      this.#restored = false;
      throw error;
    }
  }

  /** Stores what the ledger has not stored yet, and closes it. For the end of the process. @throws LedgerError */
  close(): Promise<void> {
    return this.#parts.ledger.close();
  }

  budgetStatus(): BudgetStatus {
    return this.#parts.budgets.status();
  }

  costSummary(): CostSummary {
    const { attribution, budgets, clock, enabled, policy, sessions, totals } = this.#parts;
    const { team, project, environment } = attribution.resolve();
    return costSummary({
      totals: totals.summary(),
      budgets: budgets.status(),
      activeSessions: sessions.size,
      governanceEnabled: enabled,
      governancePolicy: policy,
      team: String(team),
      project: String(project),
      environment: String(environment),
      restoredOperations: this.#restoredOperations,
      elapsedMs: clock.monotonic() - this.#startedMs,
      memoryUsageBytes: process.memoryUsage.rss(),
    });
  }

  /** The latest records of strict mode, oldest first. */
  auditRecords(): readonly AuditRecord[] {
    return this.#parts.audit.records;
  }

  /** What an operator wants to see. */
  status(): GovernanceStatus {
    const { admission, breaker, enabled, faults, log, policy, provider, sessions } = this.#parts;
    return {
      provider: provider.name,
      governanceEnabled: enabled,
      governancePolicy: policy,
      admission: admission.status(),
      circuitBreaker: breaker?.status(),
      activeSessions: sessions.size,
      faults: faults.count,
      lastFault: faults.last,
      logLevel: log.level,
    };
  }

  /** The concerns themselves, for what these methods do not offer: policies to register, prices, tag rules. */
  get governance(): GovernanceParts {
    return this.#parts;
  }

  /** A ledger remembers the calls of this process too. */
  #requireUncounted(): void {
    if (this.#parts.budgets.status().totalRequests > 0) throw countedTwice();
  }

  /** What the request says itself wins. */
  #withDefaults<Request extends GenerationRequest>(request: Request): Request {
    const { requestDefaults } = this.#parts;
    return requestDefaults === undefined ? request : { ...request, ...missing(request, requestDefaults) };
  }
}

function countedTwice(): LedgerError {
  const message = 'restore() would count costs twice: call it once, before the first call.';
  return new LedgerError('INHOUSE_LEDGER_COUNTED', message);
}
