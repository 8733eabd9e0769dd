// The policies of a governed provider, held against each call in the order in which they were registered.
// Modes are not its business: in advisory mode the pipeline evaluates, otherwise it enforces.
import { InvalidInputError, PolicyViolationError } from '../errors.js';
import { checkOptions, rule } from '../options.js';
import type { AttributeValue } from './attributes.js';
import { atOnce } from './callbacks.js';
import { type Clock, systemClock } from './clock.js';
import {
  BUILT_IN_EVALUATORS,
  type PolicyConditions,
  type PolicyEvaluator,
  type PolicyEvaluatorFactory,
  type PolicyFinding,
  type PolicyInput,
  type ReasonCode,
} from './policy-evaluators.js';

export type PolicyResult = 'ALLOWED' | 'BLOCKED' | 'WARNING' | 'RATE_LIMITED';

export interface Policy {
  /** Unique: registering it again replaces it, in its old place. */
  readonly name: string;
  /** 'cost_limit', 'rate_limit', 'content_filter', 'team_access', 'model_access' or a registered one. Default: the name. */
  readonly type?: string;
  readonly description?: string;
  /** Default true. */
  readonly enabled?: boolean;
  /** What a violation results in, in either case. Default 'BLOCKED'. 'ALLOWED' only reports. */
  readonly enforcement?: PolicyResult | Lowercase<PolicyResult>;
  /** What its type asks for; see policy-evaluators.ts. */
  readonly conditions?: PolicyConditions;
}

export interface PolicyDecision {
  readonly policy: string;
  readonly result: PolicyResult;
  /** Absent when the result is ALLOWED. */
  readonly reasonCode?: ReasonCode;
  /** For people. */
  readonly reason?: string;
  readonly metadata: Readonly<Record<string, AttributeValue>>;
}

interface Entry {
  readonly policy: Policy;
  readonly enforcement: PolicyResult;
  readonly evaluator: PolicyEvaluator;
  /** The decision of almost every call, made once. */
  readonly allowed: PolicyDecision;
}

const RESULTS = ['ALLOWED', 'BLOCKED', 'WARNING', 'RATE_LIMITED'] as const;
const NO_METADATA = Object.freeze({});

const POLICY_RULES = {
  name: rule.text,
  type: rule.text,
  description: rule.text,
  enabled: rule.boolean,
  enforcement: rule.oneOf(...RESULTS, ...RESULTS.map((result) => result.toLowerCase())),
  conditions: () => undefined,
};

export class PolicyEngine {
  readonly #clock: Clock;
  readonly #types = new Map(BUILT_IN_EVALUATORS);
  readonly #entries = new Map<string, Entry>();
  #inOrder: readonly Entry[] = [];
  /** The decisions on almost every call, made once. */
  #allAllowed: readonly PolicyDecision[] = [];
  #readOutput = false;

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  get policies(): readonly Policy[] {
    return this.#inOrder.map(({ policy }) => policy);
  }

  get isEmpty(): boolean {
    return this.#inOrder.length === 0;
  }

  /** Whether any policy reads outputs. */
  get readOutput(): boolean {
    return this.#readOutput;
  }

  /** Makes `type` known to policies that are registered from here on. */
  registerEvaluator(type: string, factory: PolicyEvaluatorFactory): void {
    this.#types.set(type, factory);
  }

  /** @throws InvalidInputError for an unknown type, and for conditions that the type does not have */
  register(policy: Policy): void {
    checkOptions('policy', policy, POLICY_RULES);
    const { name, type = name, enabled = true, enforcement = 'BLOCKED', conditions = {} } = policy;
    const factory = this.#types.get(type);
    if (factory === undefined) {
      const known = [...this.#types.keys()];
      throw new InvalidInputError(
        'INHOUSE_INVALID_OPTION',
        `policy "${name}": unknown type "${type}". Known types: ${known.join(', ')}.`,
        { details: { option: 'type', known } },
      );
    }
    this.#entries.set(name, {
      policy,
      enforcement: enforcement.toUpperCase() as PolicyResult,
      evaluator: factory(conditions, name, this.#clock),
      allowed: Object.freeze(enabled ? allow(name) : allow(name, 'Policy disabled')),
    });
    this.#inOrder = [...this.#entries.values()];
    this.#allAllowed = Object.freeze(this.#inOrder.map(({ allowed }) => allowed));
    this.#readOutput = this.#inOrder.some(({ evaluator }) => evaluator.after !== undefined);
  }

  /** The decision of every policy, in order; enforces none. Counts the call in the limits on calls that allow it. */
  evaluate(input: PolicyInput): readonly PolicyDecision[] {
    return this.#decisions(input, () => false);
  }

  /** As `evaluate`, up to the first decision that does not let the call through. */
  evaluateUntilStopped(input: PolicyInput): readonly PolicyDecision[] {
    return this.#decisions(input, stops);
  }

  /** What one policy would decide. Counts nothing. A policy that does not exist allows. */
  check(name: string, input: PolicyInput): PolicyDecision {
    const entry = this.#entries.get(name);
    return entry === undefined ? allow(name, 'Policy not found') : decide(entry, input, false);
  }

  /** The decisions of the policies that also read the output; empty where none does. */
  evaluateOutput(input: PolicyInput, output: string): readonly PolicyDecision[] {
    const decisions: PolicyDecision[] = [];
    for (const entry of this.#inOrder) {
      if (entry.evaluator.after && isEnabled(entry)) decisions.push(decideOutput(entry, input, output));
    }
    return decisions;
  }

  #decisions(input: PolicyInput, isLast: (decision: PolicyDecision) => boolean): readonly PolicyDecision[] {
    const entries = this.#inOrder;
    const allAllowed = this.#allAllowed;
    let decisions: PolicyDecision[] | undefined; // from the first on that is not what it almost always is
    for (let index = 0; index < entries.length; index++) {
      const entry = entries[index]!;
      const decision = decide(entry, input, true);
      if (decision !== entry.allowed) decisions ??= allAllowed.slice(0, index);
      decisions?.push(decision);
      if (isLast(decision)) break;
    }
    return decisions ?? allAllowed;
  }
}

/** True for the results with which a call must not go on. */
export function stops({ result }: PolicyDecision): boolean {
  return result === 'BLOCKED' || result === 'RATE_LIMITED';
}

/** The same decision where nothing may be stopped. */
export function asWarning(decision: PolicyDecision): PolicyDecision {
  return stops(decision) ? { ...decision, result: 'WARNING' } : decision;
}

/** The error for a decision that stops a call. */
export function violation(decision: PolicyDecision): PolicyViolationError {
  const limited = decision.result === 'RATE_LIMITED' || decision.reasonCode === 'RATE_LIMITED';
  const denied = decision.reasonCode === 'POLICY_DENY_MODEL' && 'INHOUSE_POLICY_MODEL_DENIED';
  return new PolicyViolationError(
    limited ? 'INHOUSE_POLICY_RATE_LIMITED' : denied || 'INHOUSE_POLICY_BLOCKED',
    `Policy "${decision.policy}" stops the call: ${decision.reason ?? decision.reasonCode}.`,
    { details: { ...decision } },
  );
}

function decide(entry: Entry, input: PolicyInput, counted: boolean): PolicyDecision {
  if (!isEnabled(entry)) return entry.allowed;
  try {
    return decisionOn(entry, atOnce(entry.evaluator.before(input, counted)));
  } catch (error) {
    return decisionOn(entry, faultOf(error));
  }
}

function decideOutput(entry: Entry, input: PolicyInput, output: string): PolicyDecision {
  try {
    return decisionOn(entry, atOnce(entry.evaluator.after?.(input, output)));
  } catch (error) {
    return decisionOn(entry, faultOf(error));
  }
}

function decisionOn(entry: Entry, finding: PolicyFinding | undefined): PolicyDecision {
  if (finding === undefined) return entry.allowed;
  const { reasonCode, reason, metadata = NO_METADATA } = finding;
  const { policy, enforcement: result } = entry;
  return result === 'ALLOWED'
    ? { policy: policy.name, result, reason, metadata }
    : { policy: policy.name, result, reasonCode, reason, metadata };
}

/** A policy that cannot answer objects: letting calls through because of a fault would be no policy at all. */
function faultOf(error: unknown): PolicyFinding {
  // Not the message: it may quote the prompt, and reasons leave the process.
  const reason = `Its evaluation failed with ${error instanceof Error ? error.name : typeof error}`;
  return { reasonCode: 'x_evaluation_failed', reason };
}

function isEnabled({ policy }: Entry): boolean {
  return policy.enabled ?? true;
}

function allow(policy: string, reason?: string): PolicyDecision {
  const allowed = { policy, result: 'ALLOWED', metadata: NO_METADATA } as const;
  return reason === undefined ? allowed : { ...allowed, reason };
}
