// What governance adds to a result: who the call was attributed to, what was decided, what it cost.
import type { Attributes } from './attributes.js';
import type { PolicyDecision } from './policy.js';
import type { PricedOperation } from './pricing/cost.js';

/** USD, not rounded. */
export interface GovernedCost {
  /** Before the call, an upper bound where the call has a limit. */
  readonly estimatedUsd: number;
  /** What was held in the budgets. */
  readonly reservedUsd: number;
  /** After it, all attempts together. */
  readonly actualUsd: number;
  /** actualUsd - reservedUsd. */
  readonly deltaUsd: number;
  /** What the computation cost where it ran; absent for remote providers. */
  readonly infrastructureUsd: number | undefined;
}

export interface GovernanceReport {
  readonly requestId: string;
  readonly sessionId: string | undefined;
  readonly operation: PricedOperation;
  readonly attributes: Attributes;
  /** The gravest of all. */
  readonly decision: PolicyDecision;
  /** In the order in which they were made. */
  readonly decisions: readonly PolicyDecision[];
  readonly cost: GovernedCost;
  /** How often the provider was asked. */
  readonly attempts: number;
  /** Milliseconds since the epoch. */
  readonly startMs: number;
  /** Of the whole call, waits included. */
  readonly durationMs: number;
  /** Milliseconds in the admission queue. */
  readonly queueMs: number;
}

const GRAVITY = ['ALLOWED', 'WARNING', 'RATE_LIMITED', 'BLOCKED'];

/** The decision of a call on which nobody had anything to say. */
export const ALLOWED: PolicyDecision = Object.freeze({
  policy: 'governance',
  result: 'ALLOWED',
  metadata: Object.freeze({}),
});

export function gravest(decisions: readonly PolicyDecision[]): PolicyDecision {
  return decisions.reduce(graver, ALLOWED);
}

function graver(one: PolicyDecision, other: PolicyDecision): PolicyDecision {
  return GRAVITY.indexOf(other.result) > GRAVITY.indexOf(one.result) ? other : one;
}

const failures = new WeakMap<object, GovernanceReport>();

export function rememberFailure(error: unknown, report: GovernanceReport): void {
  if (typeof error === 'object' && error !== null) failures.set(error, report);
}

/** What governance has to say of a call that failed with this error: decisions, attempts, and what it cost all the same. */
export function governanceOf(error: unknown): GovernanceReport | undefined {
  return typeof error === 'object' && error !== null ? failures.get(error) : undefined;
}
