// One governed call from its beginning to its end: what it holds and must give back. Each method is one step of the
// pipeline (pipeline.ts), which says in which order they come. How its provider is asked is in call-attempts.ts,
// what is decided about it in call-decisions.ts, what it costs in call-costs.ts.
import type { CallOptions, Completion, CompletionChunk, Embedding } from '../providers/provider.js';
import type { Attributes } from './attributes.js';
import { hashInputs } from './audit.js';
import type { Reservation } from './budget.js';
import type { BudgetScopes } from './budget-definition.js';
import { budgetExceeded } from './budget-denial.js';
import { CallAttempts } from './call-attempts.js';
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
import { CallTimes } from './call-times.js';
import { type GovernanceReport, rememberFailure } from './governance-report.js';
import type { CostEntry } from './ledger.js';
import { operationId } from './operation-id.js';
import type { GovernanceParts } from './parts.js';
import type { Governed } from './pipeline.js';
import type { Cost } from './pricing/cost.js';
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
  readonly providerOptions: CallOptions & { readonly timeoutMs: number };
  readonly times: CallTimes;
  readonly decisions: CallDecisions;
  readonly attempts: CallAttempts;
  readonly #operationId: string;
  readonly #parts: GovernanceParts;
  readonly #operation: Operation;
  readonly #sessionId: string | undefined;
  readonly #scopes: BudgetScopes;

  #reservation: Reservation | undefined;

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
    this.times = new CallTimes(clock);
    this.#operationId = operationId();
    this.requestId = options?.requestId ?? this.#operationId;
    this.#sessionId = options?.sessionId;
    this.attributes = attributesOf(parts, options);
    this.#scopes = scopesOf(provider.name, this.attributes);
    const { customer } = this.#scopes;
    this.mode = parts.enabled ? (parts.tenants.settings(customer)?.policy ?? parts.policy) : 'off';
    this.providerOptions = {
      signal: options?.signal,
      timeoutMs: options?.timeoutMs ?? parts.requestTimeoutMs,
      tenant: options?.tenant ?? customer,
      onTarget: provider.targets && this.#listener(options?.onTarget),
    };
    const begun = {
      operation: this.#operation,
      provider: provider.name,
      kind: provider.kind,
      request,
      attributes: this.attributes,
      stream: method === 'stream',
      requestId: this.requestId,
      sessionId: this.#sessionId,
    };
    this.span = parts.recorder.start(begun, this.times);
    this.costs = new CallCosts(parts, PRICED_AS[this.#operation], request, this.times);
    this.decisions = new CallDecisions(parts, this);
    this.attempts = new CallAttempts(parts, this, readerLeft);
  }

  /** @throws CircuitOpenError while the provider is given time to recover */
  passBreaker(): void {
    try {
      this.attempts.passBreaker();
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

  /** Counts a chunk; returns what the call has cost with it. */
  noteChunk(chunk: CompletionChunk): number {
    this.times.pass();
    return this.costs.addChunk(chunk);
  }

  /** Strict mode: whether a stream that goes on has cost what was reserved. */
  isSpent({ finishReason }: CompletionChunk, costUsd: number): boolean {
    if (this.mode !== 'strict' || finishReason !== undefined || !this.costs.isComparable) return false;
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
    const { budgets, log } = this.#parts;
    this.times.pass(); // such as in the queue
    this.decisions.ensureOne();
    if (this.attempts.count > 0) {
      const usage = { promptTokens: 0, completionTokens: 0, totalTokens: 0 };
      this.#settle({ provider: this.costs.provider.name, model: this.costs.model, usage });
    } else if (this.#reservation) {
      budgets.release(this.#reservation);
    }
    this.span?.error(error);
    log.error('Call failed', () => ({ requestId: this.requestId, attempts: this.attempts.count, error }));
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
      durationMs: this.times.elapsedMs,
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
      attempts: this.attempts.count,
      startMs: this.times.startMs,
      durationMs: this.times.elapsedMs,
      queueMs: this.attempts.queueMs,
    };
  }

  /** Learns whom a provider over others asks; so does who asked this call, which may be another such provider. */
  #listener(caller: CallOptions['onTarget']): CallOptions['onTarget'] {
    return (provider, model) => {
      this.costs.ask(provider, model);
      caller?.(provider, model);
    };
  }

  #finish(costUsd: number, result: Completion | Embedding | undefined, error: unknown): void {
    const { alerts, budgets, metrics, provider } = this.#parts;
    this.attempts.end();
    metrics?.operation({
      operation: this.#operation,
      provider: provider.name,
      kind: provider.kind,
      model: this.request.model,
      team: this.#scopes.team ?? 'default',
      durationMs: this.times.elapsedMs,
      timings: result?.timings,
      usage: result?.usage,
      costUsd,
      error,
    });
    this.span?.end();
    alerts?.record({
      requestId: this.requestId,
      costUsd,
      durationMs: this.times.elapsedMs,
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
