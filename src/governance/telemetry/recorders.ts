// Writes costs, policies, evaluations and budgets that an application knows onto a span of its own, under GenOps' keys.
// Governed calls do this by themselves. Facts without a key of their own go under the family's prefix.
import type { Span } from '@opentelemetry/api';
import { InvalidInputError } from '../../errors.js';
import type { AttributeValue } from '../attributes.js';
import { requireUsd } from '../usd.js';
import { CURRENCY, DECISIONS, EVENT, EXTRA, GENOPS } from './names.js';
import { redact } from './redaction.js';
import type { SpanAttributes } from './request-attributes.js';

type Extra = Readonly<Record<string, unknown>>;
type Metadata = Readonly<Record<string, AttributeValue | undefined>>;

/** Two names for one fact: both adapters' users keep theirs. The first wins where both are given. */
export interface CostInput {
  /** In `currency`. */
  readonly cost: number;
  readonly currency?: string | undefined;
  readonly provider?: string | undefined;
  readonly model?: string | undefined;
  /** `genops.cost.type`. */
  readonly costType?: string | undefined;
  readonly inputTokens?: number | undefined;
  readonly tokensInput?: number | undefined;
  readonly outputTokens?: number | undefined;
  readonly tokensOutput?: number | undefined;
  readonly [extra: string]: unknown;
}

export interface PolicyRecord {
  readonly policyName: string;
  /** ALLOWED, BLOCKED, WARNING or RATE_LIMITED, in either case. */
  readonly result?: string | undefined;
  readonly policyResult?: string | undefined;
  readonly reason?: string | undefined;
  readonly policyReason?: string | undefined;
  readonly metadata?: Metadata | undefined;
  readonly [extra: string]: unknown;
}

export interface EvaluationRecord {
  readonly metricName?: string | undefined;
  readonly evaluationName?: string | undefined;
  readonly score: number;
  readonly threshold?: number | undefined;
  /** Default: whether the score reaches the threshold, where there is one. */
  readonly passed?: boolean | undefined;
  readonly evaluator?: string | undefined;
  readonly metadata?: Metadata | undefined;
  readonly [extra: string]: unknown;
}

export interface BudgetRecord {
  readonly budgetName: string;
  readonly allocated?: number | undefined;
  readonly budgetLimit?: number | undefined;
  readonly consumed?: number | undefined;
  readonly budgetUsed?: number | undefined;
  /** Default: allocated - consumed. */
  readonly remaining?: number | undefined;
  readonly budgetRemaining?: number | undefined;
  readonly [extra: string]: unknown;
}

/** @throws InvalidInputError for a cost that is negative or not finite */
export function recordCost(span: Span, facts: CostInput): void {
  const { cost, currency, provider, model, costType, ...rest } = facts;
  const { inputTokens, tokensInput, outputTokens, tokensOutput, ...extra } = rest;
  requireUsd('recordCost', 'cost', cost);
  const input = inputTokens ?? tokensInput;
  const output = outputTokens ?? tokensOutput;
  const attributes: SpanAttributes = {
    [GENOPS.cost.total]: cost,
    [GENOPS.cost.currency]: currency ?? CURRENCY,
  };
  if (provider) attributes[GENOPS.cost.provider] = provider;
  if (model) attributes[GENOPS.cost.model] = model;
  span.addEvent(EVENT.costCalculated, { ...attributes });
  if (costType) attributes[GENOPS.cost.type] = costType;
  if (input !== undefined) attributes[GENOPS.tokens.input] = input;
  if (output !== undefined) attributes[GENOPS.tokens.output] = output;
  if (input !== undefined && output !== undefined) attributes[GENOPS.tokens.total] = input + output;
  addExtra(attributes, EXTRA.cost, extra);
  span.setAttributes(attributes);
}

/** @throws InvalidInputError for a result that is none of the four */
export function recordPolicy(span: Span, facts: PolicyRecord): void {
  const { policyName, result, policyResult, reason, policyReason, metadata, ...extra } = facts;
  const decided = (result ?? policyResult ?? 'ALLOWED').toUpperCase();
  if (!(DECISIONS as readonly string[]).includes(decided)) {
    const message = `recordPolicy: result is "${decided}"; it must be one of ${DECISIONS.join(', ')}.`;
    throw new InvalidInputError('INHOUSE_INVALID_OPTION', message, { details: { option: 'result' } });
  }
  const attributes: SpanAttributes = {
    [GENOPS.policy.name]: policyName,
    [GENOPS.policy.result]: decided,
  };
  const why = reason ?? policyReason;
  if (why !== undefined) attributes[GENOPS.policy.reason] = redact(why);
  span.addEvent(EVENT.policyEvaluated, { ...attributes });
  addExtra(attributes, GENOPS.policy.metadata, metadata);
  addExtra(attributes, EXTRA.policy, extra);
  span.setAttributes(attributes);
}

export function recordEvaluation(span: Span, facts: EvaluationRecord): void {
  const { metricName, evaluationName, score, threshold, passed, evaluator, metadata, ...extra } = facts;
  const reached = passed ?? (threshold === undefined ? undefined : score >= threshold);
  const attributes: SpanAttributes = {
    [GENOPS.evaluation.metric]: metricName ?? evaluationName ?? 'unnamed',
    [GENOPS.evaluation.score]: score,
  };
  if (threshold !== undefined) attributes[GENOPS.evaluation.threshold] = threshold;
  if (reached !== undefined) attributes[GENOPS.evaluation.passed] = reached;
  span.addEvent(EVENT.evaluationComplete, { ...attributes });
  if (evaluator !== undefined) attributes[GENOPS.evaluation.evaluator] = evaluator;
  addExtra(attributes, GENOPS.evaluation.metadata, metadata);
  addExtra(attributes, EXTRA.evaluation, extra);
  span.setAttributes(attributes);
}

export function recordBudget(span: Span, facts: BudgetRecord): void {
  const { budgetName, allocated, budgetLimit, consumed, budgetUsed, remaining, budgetRemaining, ...extra } =
    facts;
  const limit = allocated ?? budgetLimit;
  const used = consumed ?? budgetUsed;
  const known = limit !== undefined && used !== undefined;
  const left = remaining ?? budgetRemaining ?? (known ? limit - used : undefined);
  const attributes: SpanAttributes = { [GENOPS.budget.name]: budgetName };
  if (limit !== undefined) attributes[GENOPS.budget.allocated] = limit;
  if (used !== undefined) attributes[GENOPS.budget.consumed] = used;
  if (left !== undefined) attributes[GENOPS.budget.remaining] = left;
  if (known && limit > 0) attributes[GENOPS.budget.utilization] = (used / limit) * 100;
  addExtra(attributes, EXTRA.budget, extra);
  span.setAttributes(attributes);
}

function addExtra(attributes: SpanAttributes, prefix: string, extra: Extra | undefined): void {
  for (const [name, value] of Object.entries(extra ?? {})) {
    const legal = typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value);
    if (legal) attributes[prefix + name] = value as string | number | boolean;
  }
}
