// Spans for an application's own work around governed calls, and its own costs and evaluations on them.
// Where nothing is traced the work runs all the same.
import type { Span } from '@opentelemetry/api';
import type { AttributeInput } from '../attributes.js';
import { Attribution } from '../attribution.js';
import type { CostTotalsSummary } from '../cost-totals.js';
import { otel } from './api.js';
import { AGGREGATION, AGGREGATION_SPAN, attributeKey, GENOPS, SCOPE } from './names.js';
import {
  type BudgetRecord,
  type CostInput,
  type EvaluationRecord,
  type PolicyRecord,
  recordBudget,
  recordCost,
  recordEvaluation,
  recordPolicy,
} from './recorders.js';
import { errorText, errorType } from './redaction.js';
import type { SpanAttributes } from './request-attributes.js';

export interface TrackOptions {
  /** `genops.operation.type`. Default 'ai.inference'. */
  readonly operationType?: string | undefined;
  /** Over those of the ambient context and the process. */
  readonly attributes?: AttributeInput | undefined;
}

/** What `track` hands to the work it runs; without a span behind it, every method does nothing. */
export interface TrackedWork {
  recordCost(facts: CostInput): void;
  recordPolicy(facts: PolicyRecord): void;
  recordEvaluation(facts: EvaluationRecord): void;
  recordBudget(facts: BudgetRecord): void;
  setAttribute(key: string, value: string | number | boolean): void;
}

/**
 * Runs `work`, sync or async, in a span named `name` with the attributes in force; returns what it returns. What it throws
 * is noted, redacted, and thrown on.
 */
export function track<T>(name: string, work: (tracked: TrackedWork) => T, options: TrackOptions = {}): T {
  if (otel === undefined) return work(tracked(undefined));
  const attributes: SpanAttributes = {};
  const inForce = new Attribution().resolve(options.attributes);
  for (const key in inForce) attributes[attributeKey(key)] = inForce[key] as SpanAttributes[string];
  attributes[GENOPS.operation.name] = name;
  attributes[GENOPS.operation.type] = options.operationType ?? 'ai.inference';
  attributes[GENOPS.timestamp] = Math.floor(Date.now() / 1000);
  return otel.trace.getTracer(SCOPE).startActiveSpan(name, { attributes }, (span) => runIn(span, work));
}

/** The source's other name for it. */
export const trackEnhanced = track;

/**
 * A function that does what `work` does, each call in a span that also carries the cost, provider, model and tokens of
 * the result, where it has them.
 */
export function trackUsage<A extends unknown[], R>(
  name: string,
  work: (...given: A) => R,
  options: TrackOptions = {},
): (...given: A) => R {
  return (...given) =>
    track(
      name,
      (tracked) => {
        const result = work(...given);
        if (!(result instanceof Promise)) return noteUsage(tracked, result);
        return result.then((value: unknown) => noteUsage(tracked, value)) as R;
      },
      options,
    );
}

/** Puts a cost on the span around the caller; false where there is none. */
export function trackCost(facts: CostInput): boolean {
  return onActiveSpan('trackCost', (span) => recordCost(span, facts));
}

/** Puts an evaluation on the span around the caller; false where there is none. */
export function trackEvaluation(facts: EvaluationRecord): boolean {
  return onActiveSpan('trackEvaluation', (span) => recordEvaluation(span, facts));
}

/** Leaves a span with the totals of several providers, such as at the end of a job. */
export function recordCostSummary(summary: CostTotalsSummary): void {
  if (otel === undefined) return;
  const attributes: SpanAttributes = {
    [GENOPS.operation.type]: AGGREGATION.operationType,
    [GENOPS.operation.name]: AGGREGATION_SPAN,
    [AGGREGATION.cost]: summary.totalCostUsd,
    [AGGREGATION.tokens]: summary.totalTokens,
    [AGGREGATION.operations]: summary.totalOperations,
    [AGGREGATION.providers]: summary.uniqueProviders.length,
    [AGGREGATION.models]: summary.uniqueModels.length,
  };
  for (const [provider, { costUsd }] of Object.entries(summary.byProvider)) {
    attributes[AGGREGATION.costOfProvider + provider] = costUsd;
  }
  for (const [operation, { costUsd }] of Object.entries(summary.byOperation)) {
    attributes[AGGREGATION.costOfOperation + operation] = costUsd;
  }
  otel.trace.getTracer(SCOPE).startSpan(AGGREGATION_SPAN, { attributes }).end();
}

function runIn<T>(span: Span, work: (tracked: TrackedWork) => T): T {
  const settle = (error?: { readonly thrown: unknown }) => {
    if (error === undefined) span.setStatus({ code: otel!.SpanStatusCode.OK });
    else fail(span, error.thrown);
    span.end();
  };
  try {
    const result = work(tracked(span));
    if (!(result instanceof Promise)) {
      settle();
      return result;
    }
    result.then(
      () => settle(),
      (thrown: unknown) => settle({ thrown }),
    );
    return result;
  } catch (thrown) {
    settle({ thrown });
    throw thrown;
  }
}

function fail(span: Span, thrown: unknown): void {
  const [name, message] = [errorType(thrown), errorText(thrown)];
  span.recordException({ name, message });
  span.setAttributes({ [GENOPS.error.type]: name, [GENOPS.error.message]: message });
  span.setStatus({ code: otel!.SpanStatusCode.ERROR, message });
}

function tracked(span: Span | undefined): TrackedWork {
  return {
    recordCost: (facts) => span && recordCost(span, facts),
    recordPolicy: (facts) => span && recordPolicy(span, facts),
    recordEvaluation: (facts) => span && recordEvaluation(span, facts),
    recordBudget: (facts) => span && recordBudget(span, facts),
    setAttribute: (key, value) => void span?.setAttribute(key, value),
  };
}

function noteUsage<T>(tracked: TrackedWork, result: T): T {
  const { cost, provider, model, inputTokens, outputTokens, usage } = (result ?? {}) as {
    readonly cost?: unknown;
    readonly provider?: unknown;
    readonly model?: unknown;
    readonly inputTokens?: unknown;
    readonly outputTokens?: unknown;
    readonly usage?: { readonly promptTokens?: unknown; readonly completionTokens?: unknown };
  };
  if (!(typeof cost === 'number' && cost >= 0 && cost < Number.POSITIVE_INFINITY)) return result;
  tracked.recordCost({
    cost,
    provider: typeof provider === 'string' ? provider : undefined,
    model: typeof model === 'string' ? model : undefined,
    inputTokens: count(inputTokens ?? usage?.promptTokens),
    outputTokens: count(outputTokens ?? usage?.completionTokens),
  });
  return result;
}

function count(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

function onActiveSpan(caller: string, write: (span: Span) => void): boolean {
  const span = otel?.trace.getActiveSpan();
  if (span === undefined) {
    otel?.diag.warn(`${caller}: there is no active span, so nothing was recorded.`);
    return false;
  }
  write(span);
  return true;
}
