// What was decided about one call, step by step: each decision is kept, told, and where the mode says so enforced.
import { InvalidInputError } from '../errors.js';
import type { Completion, Embedding } from '../providers/provider.js';
import type { Attributes } from './attributes.js';
import type { BudgetDenial } from './budget-denial.js';
import type { CallCosts } from './call-costs.js';
import { contentOf, type GovernedRequest } from './call-facts.js';
import { ALLOWED, gravest } from './governance-report.js';
import type { GovernancePolicy } from './options.js';
import type { GovernanceParts } from './parts.js';
import { asWarning, type PolicyDecision, stops, violation } from './policy.js';
import type { PolicyInput, ReasonCode } from './policy-evaluators.js';
import type { OperationSpan } from './telemetry/operation-span.js';

/** 'off': no tag rule, policy or budget is asked. */
export type GovernanceMode = GovernancePolicy | 'off';

export interface DecidedCall {
  readonly requestId: string;
  readonly attributes: Attributes;
  readonly request: GovernedRequest;
  readonly costs: CallCosts;
  readonly mode: GovernanceMode;
  readonly span: OperationSpan | undefined;
}

const NONE: readonly PolicyDecision[] = Object.freeze([]);

export class CallDecisions {
  readonly #parts: GovernanceParts;
  readonly #call: DecidedCall;
  #made = NONE;
  #told = false;

  constructor(parts: GovernanceParts, call: DecidedCall) {
    this.#parts = parts;
    this.#call = call;
  }

  /** In the order in which they were made. */
  get all(): readonly PolicyDecision[] {
    return this.#made;
  }

  get gravest(): PolicyDecision {
    return gravest(this.#made);
  }

  /** @throws TagValidationError for a rule of severity 'block', and in strict mode for every violated rule */
  checkTags(): void {
    const { tags, log } = this.#parts;
    const { attributes, mode, requestId } = this.#call;
    if (mode === 'off') return;
    try {
      const { violations, warnings } = tags.enforce(attributes, mode === 'strict' ? 'error' : 'block');
      if (warnings.length > 0) log.warn('Tag warning', () => ({ requestId, warnings }));
      if (violations.length > 0) log.error('Tag violation', () => ({ requestId, violations }));
    } catch (error) {
      this.refused('tag_validation', 'x_tag_validation', error);
      throw error;
    }
  }

  /** @throws PolicyViolationError unless the mode is advisory */
  applyPolicies(): void {
    const { policies } = this.#parts;
    const { mode } = this.#call;
    if (mode === 'off' || policies.isEmpty) return;
    const input = this.#input();
    if (mode === 'advisory') {
      this.#decideAll(policies.evaluate(input).map(asWarning));
      return;
    }
    const decisions = policies.evaluateUntilStopped(input);
    this.#decideAll(decisions);
    const last = decisions.at(-1)!;
    if (stops(last)) throw violation(last);
  }

  /** @throws PolicyViolationError in strict mode for a model without a price */
  checkPrice(): void {
    const { costs, mode, request } = this.#call;
    const { assumption } = costs.estimate;
    if (assumption === undefined) return;
    this.#parts.log.warn('No price for the model', () => ({ model: request.model, assumption }));
    if (mode !== 'strict') return;
    const reason = `${assumption}; strict mode takes known prices only`;
    const decision = { policy: 'pricing', result: 'BLOCKED', reasonCode: 'x_unknown_price', reason } as const;
    this.#stop({ ...decision, metadata: {} });
  }

  /** A budget has no room. Advisory mode goes on all the same. */
  overBudget(denial: BudgetDenial): void {
    const { reasonCode, reason, scope, period, limitUsd, usedUsd, operationUsd } = denial;
    const { mode } = this.#call;
    if (mode === 'off') return;
    this.#decide({
      policy: 'budget',
      result: mode === 'advisory' ? 'WARNING' : 'BLOCKED',
      reasonCode,
      reason,
      metadata: { scope, period, limitUsd, usedUsd, operationUsd },
    });
  }

  /** @throws PolicyViolationError for an output that a policy refuses, unless the mode is advisory */
  checkOutput(result: Completion | Embedding): void {
    const { policies } = this.#parts;
    const { costs, mode } = this.#call;
    if (mode === 'off' || !policies.readOutput || !('choices' in result)) return;
    const output = result.choices.map(({ text }) => text).join('\n');
    for (const decision of policies.evaluateOutput(this.#input(), output)) {
      if (mode === 'advisory') this.#decide(asWarning(decision));
      else if (!stops(decision)) this.#decide(decision);
      else {
        costs.addRefused(result);
        this.#stop(decision);
      }
    }
  }

  /** Something that is no policy refused the call. */
  refused(policy: string, reasonCode: ReasonCode, error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    this.#decide({ policy, result: 'BLOCKED', reasonCode, reason, metadata: {} });
  }

  /** Every unit of work has a decision on its span, also where there was nothing to decide. */
  ensureOne(): void {
    if (this.#told) return;
    this.#told = true;
    this.#call.span?.policyEvaluated(ALLOWED);
  }

  #decide(decision: PolicyDecision): void {
    this.#decideAll([decision]);
  }

  #decideAll(decisions: readonly PolicyDecision[]): void {
    this.#made = this.#made.length === 0 ? decisions : [...this.#made, ...decisions];
    this.#told = true;
    // By index: V8 makes garbage of iterating over a frozen array.
    for (let index = 0; index < decisions.length; index++) {
      const decision = decisions[index]!;
      this.#call.span?.policyEvaluated(decision);
      if (decision.result !== 'ALLOWED') this.#count(decision);
    }
  }

  #count(decision: PolicyDecision): void {
    const { metrics, log } = this.#parts;
    const { requestId } = this.#call;
    metrics?.policyViolation(decision.policy);
    log.warn('Policy decision', () => ({ requestId, ...decision }));
  }

  #stop(decision: PolicyDecision): never {
    this.#decide(decision);
    throw violation(decision);
  }

  #input(): PolicyInput {
    const { attributes, costs, request } = this.#call;
    return {
      attributes,
      model: request.model,
      costUsd: () => costs.estimate.totalUsd,
      content: () => readable(request),
    };
  }
}

/** @throws InvalidInputError for token ids, which only the provider can read: a policy that must read them objects */
function readable(request: GovernedRequest): string {
  const content = contentOf(request);
  if (content !== undefined) return content;
  throw new InvalidInputError('INHOUSE_INVALID_TEXT', 'A prompt of token ids has no text to look at.');
}
