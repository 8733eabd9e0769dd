// One governed call from its beginning to its end: what it holds and must give back. Each method is one step of the
// pipeline (pipeline.ts), which says in which order they come. What is decided about it is in call-decisions.ts, what
// it costs in call-costs.ts.
import { isUnanswered } from '../providers/completion-stream.js';
import type { CallOptions, Completion, CompletionChunk, Embedding } from '../providers/provider.js';
import type { Slot } from './admission.js';
import type { Attributes } from './attributes.js';
import { hashInputs } from './audit.js';
import { budgetExceeded, type Reservation } from './budget.js';
import type { BudgetScopes } from './budget-definition.js';
import { CallCosts } from './call-costs.js';
import { CallDecisions, type DecidedCall, type GovernanceMode } from './call-decisions.js';
import {
  attributesOf,
  type GovernedCallOptions,
  type GovernedMethod,
  type GovernedRequest,
  operationOf,
  PRICED_AS,
  scopesOf,
} from './call-facts.js';
import { type GovernanceReport, rememberFailure } from './governance-report.js';
import type { CostEntry } from './ledger.js';
import { operationId } from './operation-id.js';
import type { GovernanceParts } from './parts.js';
import type { Attempt, Governed } from './pipeline.js';
import type { Cost } from './pricing/cost.js';
import { retryAfter, whileRead } from './retry.js';
import { settle } from './settlement.js';
import type { Operation } from './telemetry/names.js';
import type { OperationSpan } from './telemetry/operation-span.js';
import { exceeds, reaches } from './usd.js';

/** Strict mode refuses from this utilization of a budget on. */
const STRICT_FROM = 0.95;

/** Who served a call, and with how many tokens. */
type Served = Pick<Completion, 'provider' | 'model' | 'usage'>;

export class GovernedCall implements DecidedCall {
  readonly requestId: string;
  readonly attributes: Attributes;
  readonly request: GovernedRequest;
  readonly mode: GovernanceMode;
  readonly costs: CallCosts;
  readonly span: OperationSpan | undefined;
  /** What the provider is told. */
  readonly providerOptions: CallOptions;
  readonly decisions: CallDecisions;
  /** Set by a stream: leaves what its attempt has begun, which may hang in a provider that heeds no limit. */
  giveUp: (() => void) | undefined;
  readonly #operationId: string;
  readonly #parts: GovernanceParts;
  readonly #operation: Operation;
  readonly #sessionId: string | undefined;
  readonly #scopes: BudgetScopes;
  readonly #readerLeft: AbortSignal | undefined;
  readonly #timeoutMs: number;
  readonly #startMs: number;
  readonly #startedMs: number;

  #reservation: Reservation | undefined;
  #ticket: number | undefined;
  #slot: Slot | undefined;
  #attempts = 0;
  #waitMs = 0;

  /** @throws InvalidInputError for attributes that cannot be recorded */
  constructor(
    parts: GovernanceParts,
    method: GovernedMethod,
    request: GovernedRequest,
    options: GovernedCallOptions | undefined,
    readerLeft?: AbortSignal,
  ) {
    const { clock, provider } = parts;
    this.#parts = parts;
    this.#operation = operationOf(method, request);
    this.request = request;
    this.#readerLeft = readerLeft;
    this.#startMs = clock.now();
    this.#startedMs = clock.monotonic();
    this.#operationId = operationId();
    this.requestId = options?.requestId ?? this.#operationId;
    this.#sessionId = options?.sessionId;
    this.attributes = attributesOf(parts, options);
    this.#scopes = scopesOf(provider.name, this.attributes);
    const { customer } = this.#scopes;
    this.mode = parts.enabled ? (parts.tenants.settings(customer)?.policy ?? parts.policy) : 'off';
    this.#timeoutMs = options?.timeoutMs ?? parts.requestTimeoutMs;
    this.providerOptions = {
      signal: options?.signal,
      timeoutMs: this.#timeoutMs,
      tenant: options?.tenant ?? customer,
    };
    this.span = parts.recorder.start({
      operation: this.#operation,
      provider: provider.name,
      kind: provider.kind,
      request,
      attributes: this.attributes,
      stream: method === 'stream',
      requestId: this.requestId,
      sessionId: this.#sessionId,
    });
    this.costs = new CallCosts(parts, PRICED_AS[this.#operation], request);
    this.decisions = new CallDecisions(parts, this);
  }

  /** @throws CircuitOpenError while the provider is given time to recover */
  passBreaker(): void {
    try {
      this.#ticket = this.#parts.breaker?.before();
    } catch (error) {
      this.decisions.refused('circuit_breaker', 'PROVIDER_ERROR_UPSTREAM', error);
      throw error;
    }
  }

  /** Holds the estimate in every budget that the call touches. @throws BudgetExceededError unless the mode is advisory */
  reserve(): void {
    const mode = this.mode;
    const force = mode === 'off' || mode === 'advisory';
    const reserved = this.#parts.budgets.reserve(this.#scopes, this.costs.estimate.totalUsd, {
      strictAt: mode === 'strict' ? STRICT_FROM : 1,
      force,
    });
    const denial = reserved.granted ? reserved.overrun : reserved;
    if (denial) this.decisions.overBudget(denial);
    if (!reserved.granted) throw budgetExceeded(reserved);
    this.#reservation = reserved;
    this.decisions.ensureOne();
    this.span?.budgetReserved({ reservedUsd: reserved.amountUsd });
  }

  /**
   * Asks the provider, once there is a place among the running calls; the place is kept for further attempts. A reader who
   * left waits for none: `serve` then asks nobody.
   */
  async attempt<Result extends Completion | Embedding>(
    number: number,
    serve: Attempt<Result>,
  ): Promise<Result> {
    const { admission, breaker, watch } = this.#parts;
    const left = this.#readerLeft;
    if (this.#slot === undefined && !left?.aborted) {
      const slot = admission.enter(this.providerOptions.signal, left);
      this.#slot = slot instanceof Promise ? await this.#queued(slot) : slot;
    }
    if (left?.aborted) return serve(this);
    this.#attempts++;
    this.costs.beginAttempt();
    const span = this.span;
    const work = () => watch.within(this.#timeoutMs, serve(this));
    try {
      const result = this.costs.requireCounts(await (span ? span.run(work) : work()));
      if (this.#ticket !== undefined) {
        if (isUnanswered(result)) breaker?.release(this.#ticket);
        else breaker?.success(this.#ticket);
      }
      span?.attempt({ number, waitMs: this.#waitMs });
      return result;
    } catch (error) {
      this.giveUp?.();
      if (this.#ticket !== undefined) breaker?.failure(error, this.#ticket);
      span?.attempt({ number, waitMs: this.#waitMs, error });
      this.costs.addFailure(error);
      throw error;
    }
  }

  /** Undefined when a stream's reader left the queue. */
  async #queued(place: Promise<Slot>): Promise<Slot | undefined> {
    try {
      return await place;
    } catch (error) {
      if (this.#readerLeft?.aborted) return undefined;
      throw error;
    }
  }

  /** Further attempts after the first has failed, as the options say, but none once the caller has seen a part of the answer. */
  retry<Result extends Completion | Embedding>(error: unknown, serve: Attempt<Result>): Promise<Result> {
    const { log, retry, sleep } = this.#parts;
    return retryAfter(error, (number) => this.attempt(number, serve), {
      policy: {
        maxRetries: retry.maxRetries,
        waitMs: retry.waitMs,
        retries: (failure) => !this.costs.hasAnswered && retry.retries(failure),
      },
      signal: this.providerOptions.signal,
      sleep: this.#readerLeft ? whileRead(this.#readerLeft, sleep) : sleep,
      onRetry: ({ attempt, waitMs, error }) => {
        this.#waitMs = waitMs;
        log.warn('Retrying', () => ({ requestId: this.requestId, attempt, waitMs, error }));
      },
    });
  }

  /** Counts a chunk; returns what the call has cost with it. */
  noteChunk(chunk: CompletionChunk): number {
    return this.costs.addChunk(chunk);
  }

  /** Strict mode: whether a stream that goes on has cost what was reserved. */
  isSpent({ finishReason }: CompletionChunk, costUsd: number): boolean {
    if (this.mode !== 'strict' || finishReason !== undefined) return false;
    const { isUpperBound, totalUsd } = this.costs.estimate;
    // An upper bound is reached by the last token that the request allows, which is no overrun.
    return isUpperBound ? exceeds(costUsd, totalUsd) : totalUsd > 0 && reaches(costUsd, totalUsd);
  }

  succeed<Result extends Completion | Embedding>(result: Result): Governed<Result> {
    const cost = this.costs.actual(result);
    this.span?.response(result);
    // A copy: the provider may keep its own, and give it to others. V8 assigns several times faster than it spreads.
    const governed = Object.assign({}, result, { governance: this.#report(cost) });
    this.#settle(result, cost, governed);
    this.#finish(governed.governance.cost.actualUsd, result, undefined);
    return governed;
  }

  /** Whatever it was: what the call held is settled or given back, and everybody is told. Never throws. */
  fail(error: unknown): void {
    const { budgets, log, provider } = this.#parts;
    this.decisions.ensureOne();
    if (this.#attempts > 0) {
      const usage = { promptTokens: 0, completionTokens: 0, totalTokens: 0 };
      this.#settle({ provider: provider.name, model: this.request.model, usage });
    } else if (this.#reservation) {
      budgets.release(this.#reservation);
    }
    this.span?.error(error);
    log.error('Call failed', () => ({ requestId: this.requestId, attempts: this.#attempts, error }));
    rememberFailure(error, this.#report());
    this.#finish(this.costs.lostUsd, undefined, error);
  }

  /** Failed attempts included. `cost` and `result` are undefined where none succeeded. */
  #settle({ provider, model, usage }: Served, cost?: Cost, result?: unknown): void {
    const reservation = this.#reservation;
    if (!reservation) return;
    const costs = this.costs;
    const costUsd = costs.totalUsd(cost);
    const infrastructureUsd = costs.infrastructureUsd(cost);
    const entry: CostEntry = {
      type: 'cost',
      operationId: this.#operationId,
      timeMs: this.#parts.clock.now(),
      costUsd,
      infrastructureUsd,
      provider,
      model,
      operation: PRICED_AS[this.#operation],
      promptTokens: costs.lostPromptTokens + usage.promptTokens,
      completionTokens: costs.lostCompletionTokens + usage.completionTokens,
      durationMs: this.#elapsedMs(),
      success: result !== undefined,
      scopes: this.#scopes,
    };
    const alerts = settle(this.#parts, { entry, reservation, sessionId: this.#sessionId, result });
    this.span?.cost({ totalUsd: costUsd, infrastructureUsd, type: cost?.type });
    this.span?.reconciled({
      actualUsd: costUsd,
      reservedUsd: reservation.amountUsd,
      incomplete: result === undefined && costs.lostPromptTokens === 0,
    });
    for (const alert of alerts) this.span?.budgetAlert(alert);
  }

  #report(cost?: Cost): GovernanceReport {
    const reservedUsd = this.#reservation?.amountUsd ?? 0;
    const actualUsd = this.costs.totalUsd(cost);
    return {
      requestId: this.requestId,
      sessionId: this.#sessionId,
      operation: PRICED_AS[this.#operation],
      attributes: this.attributes,
      decision: this.decisions.gravest,
      decisions: this.decisions.all,
      cost: {
        estimatedUsd: this.costs.estimatedUsd ?? 0,
        reservedUsd,
        actualUsd,
        deltaUsd: actualUsd - reservedUsd,
        infrastructureUsd: this.costs.infrastructureUsd(cost),
      },
      attempts: this.#attempts,
      startMs: this.#startMs,
      durationMs: this.#elapsedMs(),
      queueMs: this.#slot?.queueMs ?? 0,
    };
  }

  #elapsedMs(): number {
    return this.#parts.clock.monotonic() - this.#startedMs;
  }

  #finish(costUsd: number, result: Completion | Embedding | undefined, error: unknown): void {
    const { alerts, breaker, budgets, metrics, provider } = this.#parts;
    this.#slot?.release();
    // A call that never got to its provider says nothing about it, but must give up the probe's place.
    if (this.#attempts === 0 && this.#ticket !== undefined) breaker?.release(this.#ticket);
    metrics?.operation({
      operation: this.#operation,
      provider: provider.name,
      kind: provider.kind,
      model: this.request.model,
      team: this.#scopes.team ?? 'default',
      durationMs: this.#elapsedMs(),
      timings: result?.timings,
      usage: result?.usage,
      costUsd,
      error,
    });
    this.span?.end();
    alerts?.record({
      requestId: this.requestId,
      costUsd,
      durationMs: this.#elapsedMs(),
      failed: error !== undefined,
      budgetUtilization: budgets.utilization,
    });
    if (this.mode === 'strict') this.#record(costUsd);
  }

  /** Strict mode's record of the decision. */
  #record(costUsd: number): void {
    const { audit, budgets } = this.#parts;
    const afterUsd = budgets.totalCostUsd;
    const { result, reasonCode } = this.decisions.gravest;
    audit.record({
      requestId: this.requestId,
      result,
      reasonCode,
      actor: this.attributes,
      inputsHash: hashInputs(this.request),
      beforeUsd: afterUsd - costUsd,
      afterUsd,
    });
  }
}
