// The span of one governed call while it runs: each step of the pipeline leaves its event and attributes here.
// No method throws; what fails is counted.
import type { Context, Span } from '@opentelemetry/api';
import {
  type Completion,
  type Embedding,
  type EmbedRequest,
  type GenerationRequest,
  isEmbed,
  type Timings,
  type Usage,
} from '../../providers/provider.js';
import type { BudgetAlert } from '../budget.js';
import { budgetName } from '../budget-definition.js';
import type { CallTimes } from '../call-times.js';
import type { PolicyDecision } from '../policy.js';
import { otel } from './api.js';
import { type ContentCapture, inputMessages, outputMessages } from './content.js';
import type { TelemetryFaults } from './faults.js';
import { CURRENCY, DECISIONS, EVENT, GEN_AI, GENOPS, type ProviderKeys } from './names.js';
import { errorText, errorType, redact } from './redaction.js';
import type { SpanAttributes } from './request-attributes.js';
import type { ServiceLevel } from './spans.js';

/** What spans of one kind have in common. */
export interface SpanFacts {
  readonly provider: string;
  readonly keys: ProviderKeys;
  readonly content: ContentCapture;
  readonly serviceLevel: ServiceLevel | undefined;
  readonly faults: TelemetryFaults;
}

export interface AttemptFacts {
  /** From 1. */
  readonly number: number;
  /** What was waited before it. */
  readonly waitMs: number;
  /** Why it failed; absent where it did not. */
  readonly error?: unknown;
}

export interface CostFacts {
  readonly totalUsd: number;
  /** What the compute cost, where that is measured. */
  readonly infrastructureUsd?: number | undefined;
  /** What the total is made of. */
  readonly type?: 'token' | 'infrastructure' | undefined;
}

export interface Reconciliation {
  readonly actualUsd: number;
  readonly reservedUsd: number;
  /** True where the actual is not known for sure, such as after a lost connection. */
  readonly incomplete?: boolean | undefined;
}

export class OperationSpan {
  readonly #span: Span;
  /** In which it was started. */
  readonly #context: Context;
  readonly #request: GenerationRequest | EmbedRequest;
  readonly #facts: SpanFacts;
  readonly #times: CallTimes;
  /** Index in DECISIONS of the gravest decision so far; -1 before the first. */
  #gravest = -1;
  /** Who served it: behind a router, another than was called. */
  #provider: string;
  #failure: string | undefined;
  #ended = false;

  constructor(
    span: Span,
    context: Context,
    request: GenerationRequest | EmbedRequest,
    facts: SpanFacts,
    times: CallTimes,
  ) {
    this.#span = span;
    this.#context = context;
    this.#request = request;
    this.#facts = facts;
    this.#times = times;
    this.#provider = facts.provider;
  }

  /** Makes this span the parent of what happens inside `work`. */
  run<T>(work: () => T): T {
    return otel!.context.with(otel!.trace.setSpan(this.#context, this.#span), work);
  }

  /** Each decision is an event; the gravest becomes the span's own. */
  policyEvaluated(decision: PolicyDecision): void {
    const facts = factsOf(decision);
    this.#event(EVENT.policyEvaluated, facts);
    const gravity = DECISIONS.indexOf(decision.result);
    if (gravity <= this.#gravest) return;
    this.#gravest = gravity;
    for (const key in facts) this.#set(key, facts[key]!);
    if (decision.result === 'ALLOWED') return;
    for (const key in decision.metadata) {
      this.#set(GENOPS.policy.metadata + key, decision.metadata[key] as SpanAttributes[string]);
    }
  }

  /** What is held for the call, from the estimate; also where no budget limits it. */
  budgetReserved(reservation: {
    readonly reservedUsd: number;
    /** The tightest budget, and what it has left. */
    readonly name?: string | undefined;
    readonly remainingUsd?: number | undefined;
  }): void {
    const { reservedUsd, name, remainingUsd } = reservation;
    this.#set(GENOPS.accounting.reserved, reservedUsd);
    this.#set(GENOPS.accounting.unit, CURRENCY);
    this.#set(GENOPS.cost.estimated, reservedUsd);
    const facts: SpanAttributes = {
      [GENOPS.accounting.reserved]: reservedUsd,
      [GENOPS.accounting.unit]: CURRENCY,
    };
    if (name !== undefined) facts[GENOPS.budget.name] = name;
    if (remainingUsd !== undefined) facts[GENOPS.budget.remaining] = remainingUsd;
    this.#event(EVENT.reservation, facts);
  }

  /** One try at the provider, when it has ended. A first one that succeeds is not worth an event. */
  attempt({ number, waitMs, error }: AttemptFacts): void {
    this.#set(GENOPS.attempts, number);
    if (number === 1 && error === undefined) return;
    const facts: SpanAttributes = { [GENOPS.attempt.number]: number, [GENOPS.attempt.waitMs]: waitMs };
    if (error !== undefined) facts[GEN_AI.errorType] = errorType(error);
    this.#event(EVENT.attempt, facts);
  }

  /** What the provider answered. */
  response(result: Completion | Embedding): void {
    if (result.provider !== this.#provider) this.#set(GEN_AI.provider, result.provider);
    this.#provider = result.provider;
    this.#set(GEN_AI.responseModel, result.model);
    this.tokens(result.usage);
    this.#timings(result.timings, result.usage);
    if (!('choices' in result)) return;
    this.#set(GEN_AI.responseId, result.id);
    this.#set(GEN_AI.outputType, 'text');
    this.#set(
      GEN_AI.finishReasons,
      result.choices.map(({ finishReason }) => finishReason),
    );
    if (this.#facts.content) this.#captureContent(result);
  }

  /** What was read and written; also where a call fails half-way. */
  tokens({ promptTokens, completionTokens, totalTokens }: Usage): void {
    const { keys } = this.#facts;
    this.#set(GENOPS.tokens.input, promptTokens);
    this.#set(GENOPS.tokens.output, completionTokens);
    this.#set(GENOPS.tokens.total, totalTokens);
    this.#set(keys.inputTokens, promptTokens);
    this.#set(keys.outputTokens, completionTokens);
    this.#set(keys.totalTokens, totalTokens);
    this.#set(GEN_AI.inputTokens, promptTokens);
    this.#set(GEN_AI.outputTokens, completionTokens);
  }

  cost({ totalUsd, infrastructureUsd, type = 'token' }: CostFacts): void {
    const { keys } = this.#facts;
    const facts: SpanAttributes = {
      [GENOPS.cost.total]: totalUsd,
      [GENOPS.cost.currency]: CURRENCY,
      [GENOPS.cost.provider]: this.#provider,
      [GENOPS.cost.model]: this.#request.model,
    };
    for (const key in facts) this.#set(key, facts[key]!);
    this.#set(GENOPS.cost.type, type);
    this.#set(keys.cost, totalUsd);
    this.#set(keys.currency, CURRENCY);
    if (infrastructureUsd !== undefined) this.#set(GENOPS.cost.infrastructure, infrastructureUsd);
    this.#event(EVENT.costCalculated, facts);
  }

  /** The reservation settled: after completion, abort or failure of work that had begun. */
  reconciled({ actualUsd, reservedUsd, incomplete }: Reconciliation): void {
    this.#set(GENOPS.accounting.actual, actualUsd);
    if (incomplete) this.#set(GENOPS.accounting.incomplete, true);
    this.#event(EVENT.reconciliation, {
      [GENOPS.accounting.actual]: actualUsd,
      [GENOPS.accounting.reserved]: reservedUsd,
      [GENOPS.accounting.unit]: CURRENCY,
      [GENOPS.accounting.delta]: actualUsd - reservedUsd,
    });
  }

  /** A threshold of a budget that this call's cost has reached. */
  budgetAlert({ scope, value, period, usagePercent, usedUsd, limitUsd }: BudgetAlert): void {
    this.#event(EVENT.budgetAlert, {
      [GENOPS.budget.name]: budgetName(scope, value),
      [GENOPS.budget.period]: period,
      [GENOPS.budget.consumed]: usedUsd,
      [GENOPS.budget.allocated]: limitUsd,
      [GENOPS.budget.utilization]: usagePercent,
    });
  }

  /** Why the call fails: type and redacted message, never the error itself, whose text and stack may hold anything. */
  error(error: unknown): void {
    const type = errorType(error);
    this.#failure = errorText(error);
    this.#set(GEN_AI.errorType, type);
    this.#set(GENOPS.error.type, type);
    this.#set(GENOPS.error.message, this.#failure);
    this.#event(EVENT.exception, { 'exception.type': type, 'exception.message': this.#failure });
  }

  /** Calling it again does nothing. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#latency(this.#times.elapsedMs);
    try {
      this.#span.setStatus(
        this.#failure === undefined
          ? { code: otel!.SpanStatusCode.OK }
          : { code: otel!.SpanStatusCode.ERROR, message: this.#failure },
      );
      this.#span.end(this.#times.now);
    } catch (error) {
      this.#facts.faults.record('span', error);
    }
  }

  #timings({ timeToFirstTokenMs, totalMs }: Timings, { completionTokens }: Usage): void {
    const { keys } = this.#facts;
    if (timeToFirstTokenMs !== undefined) {
      this.#set(keys.timeToFirstTokenMs, timeToFirstTokenMs);
      this.#set(GEN_AI.timeToFirstChunk, timeToFirstTokenMs / 1000);
    }
    if (completionTokens > 0 && totalMs > 0) {
      this.#set(keys.tokensPerSecond, (completionTokens / totalMs) * 1000);
    }
  }

  #latency(latencyMs: number): void {
    const { keys, serviceLevel } = this.#facts;
    this.#set(keys.latencyMs, latencyMs);
    if (serviceLevel === undefined) return;
    if (serviceLevel.tier !== undefined) this.#set(GENOPS.sla.tier, serviceLevel.tier);
    this.#set(GENOPS.sla.targetMs, serviceLevel.latencyTargetMs);
    this.#set(GENOPS.sla.actualMs, latencyMs);
    this.#set(GENOPS.sla.met, latencyMs <= serviceLevel.latencyTargetMs);
  }

  #captureContent(completion: Completion): void {
    const { content, faults } = this.#facts;
    const request = this.#request;
    try {
      const input = isEmbed(request) ? undefined : inputMessages(request, content);
      if (input !== undefined) this.#set(GEN_AI.inputMessages, input);
      this.#set(GEN_AI.outputMessages, outputMessages(completion, content));
    } catch (error) {
      faults.record('span', error); // a redactor of the application's
    }
  }

  #set(key: string, value: SpanAttributes[string]): void {
    try {
      this.#span.setAttribute(key, value);
    } catch (error) {
      this.#facts.faults.record('span', error);
    }
  }

  #event(name: string, attributes: SpanAttributes): void {
    try {
      this.#span.addEvent(name, attributes, this.#times.now);
    } catch (error) {
      this.#facts.faults.record('span', error);
    }
  }
}

/** Of decisions that let a call through, which policies make once for all calls. */
const factsOfAllowed = new WeakMap<PolicyDecision, SpanAttributes>();

function factsOf(decision: PolicyDecision): SpanAttributes {
  const known = factsOfAllowed.get(decision);
  if (known !== undefined) return known;
  const { policy, result, reasonCode, reason } = decision;
  const facts: SpanAttributes = { [GENOPS.policy.name]: policy, [GENOPS.policy.result]: result };
  if (result === 'ALLOWED') {
    factsOfAllowed.set(decision, facts);
    return facts;
  }
  if (reasonCode !== undefined) facts[GENOPS.policy.reasonCode] = reasonCode;
  if (reason !== undefined) facts[GENOPS.policy.reason] = redact(reason);
  return facts;
}
