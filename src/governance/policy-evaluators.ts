// What each type of policy looks for. An evaluator says what it found; what follows from that is the policy's level.
import { checkOptions, type Rule, rule } from '../options.js';
import type { Attributes, AttributeValue } from './attributes.js';
import type { Clock } from './clock.js';
import { showUsd } from './usd.js';

/** Of the GenOps specification v0.1, §5; others begin with `x_`. */
export type ReasonCode =
  | 'BUDGET_EXCEEDED'
  | 'BUDGET_RESERVATION_FAILED'
  | 'POLICY_DENY_MODEL'
  | 'POLICY_DENY_REGION'
  | 'POLICY_DENY_CONTENT'
  | 'RATE_LIMITED'
  | 'SLA_LATENCY_VIOLATION'
  | 'PROVIDER_ERROR_UPSTREAM'
  | 'ACCOUNTING_INVARIANT_VIOLATION'
  | `x_${string}`;

/** What is known of a call before it runs. Functions are called only if a policy needs their value. */
export interface PolicyInput {
  readonly attributes: Attributes;
  readonly model: string;
  /** Of the whole operation: the estimate, or the actual where it is known. */
  readonly costUsd?: number | (() => number);
  /** All text of the prompt or the messages. */
  readonly content?: string | (() => string);
  /** Requests in the last minute, where the caller counts them; otherwise the policy does. */
  readonly requestCount?: number;
}

export interface PolicyFinding {
  readonly reasonCode: ReasonCode;
  /** For people; holds nothing of the prompt or the output. */
  readonly reason: string;
  readonly metadata?: Readonly<Record<string, AttributeValue>>;
}

/**
 * One policy's view of calls; undefined: nothing to object to. A function that throws, or answers with a promise, counts
 * as an objection.
 */
export interface PolicyEvaluator {
  /** Asks before the call. A limit on calls counts this one if `counted`. */
  before(input: PolicyInput, counted: boolean): PolicyFinding | undefined;
  /** Asks again when the output is there, before the caller sees it. */
  after?(input: PolicyInput, output: string): PolicyFinding | undefined;
}

export type PolicyConditions = Readonly<Record<string, unknown>>;

/** Makes the evaluator of one policy. Throws InvalidInputError for conditions it cannot use. */
export type PolicyEvaluatorFactory = (
  conditions: PolicyConditions,
  policyName: string,
  clock: Clock,
) => PolicyEvaluator;

const MINUTE_MS = 60_000;
const DEFAULT_REQUESTS_PER_MINUTE = 100;
const MOST_REQUESTS_PER_MINUTE = 1_000_000;

/** `maxCost`: USD per operation; the default is no limit. Equality is allowed. */
const costLimit: PolicyEvaluatorFactory = (conditions, name) => {
  const { maxCost = Number.POSITIVE_INFINITY } = checked<{ maxCost?: number }>(name, conditions, {
    maxCost: rule.number(0),
  });
  return {
    before(input) {
      const actual = settled(input.costUsd) ?? 0;
      if (actual <= maxCost) return undefined;
      return {
        reasonCode: 'x_cost_limit',
        reason: `The operation costs ${showUsd(actual)}; the limit is ${showUsd(maxCost)}`,
        metadata: { limit: maxCost, actual },
      };
    },
  };
};

/** `maxRequestsPerMinute`, or `maxRequests` for short; default 100 in any 60 seconds. */
const rateLimit: PolicyEvaluatorFactory = (conditions, name, clock) => {
  const count = rule.integer(1, MOST_REQUESTS_PER_MINUTE);
  const { maxRequests = DEFAULT_REQUESTS_PER_MINUTE, maxRequestsPerMinute = maxRequests } = checked<{
    maxRequests?: number;
    maxRequestsPerMinute?: number;
  }>(name, conditions, { maxRequests: count, maxRequestsPerMinute: count });
  const window = new RequestWindow(maxRequestsPerMinute);
  return {
    before(input, counted) {
      const now = clock.monotonic();
      const waitMs = window.waitMs(now);
      const limited =
        input.requestCount === undefined ? waitMs > 0 : input.requestCount >= maxRequestsPerMinute;
      if (!limited) {
        if (counted) window.add(now);
        return undefined;
      }
      return {
        reasonCode: 'RATE_LIMITED',
        reason: `More than ${maxRequestsPerMinute} requests in a minute`,
        metadata: {
          limit: maxRequestsPerMinute,
          actual: input.requestCount ?? maxRequestsPerMinute,
          retryAfterMs: waitMs || MINUTE_MS,
        },
      };
    },
  };
};

/** `blockedPatterns`: texts that must not occur, whatever their case; `checkOutput` (default false): there either. */
const contentFilter: PolicyEvaluatorFactory = (conditions, name) => {
  const { blockedPatterns = [], checkOutput = false } = checked<{
    blockedPatterns?: readonly string[];
    checkOutput?: boolean;
  }>(name, conditions, { blockedPatterns: texts, checkOutput: rule.boolean });
  // Not a regular expression of them all: one of some thousands takes seconds for a page of text.
  const patterns = blockedPatterns.map((pattern) => pattern.toLowerCase());
  const find = (text: string, where: string): PolicyFinding | undefined => {
    const lower = text.toLowerCase();
    const index = patterns.findIndex((pattern) => lower.includes(pattern));
    if (index < 0) return undefined;
    // Which pattern, not what it says: the decision leaves the process, the content must not.
    return {
      reasonCode: 'POLICY_DENY_CONTENT',
      reason: `The ${where} holds blocked pattern number ${index + 1}`,
      metadata: { pattern: index + 1 },
    };
  };
  const before = (input: PolicyInput) => {
    return patterns.length === 0 ? undefined : find(settled(input.content) ?? '', 'prompt');
  };
  return checkOutput ? { before, after: (_input, output) => find(output, 'output') } : { before };
};

/** `allowedTeams`; an empty list allows everyone. */
const teamAccess: PolicyEvaluatorFactory = (conditions, name) => {
  const { allowedTeams = [] } = checked<{ allowedTeams?: readonly string[] }>(name, conditions, {
    allowedTeams: texts,
  });
  return allowList(allowedTeams, 'Team', 'x_team_access', ({ attributes }) => String(attributes.team ?? ''));
};

/** `allowedModels`, as requests name them; an empty list allows every model. */
const modelAccess: PolicyEvaluatorFactory = (conditions, name) => {
  const { allowedModels = [] } = checked<{ allowedModels?: readonly string[] }>(name, conditions, {
    allowedModels: texts,
  });
  const list = allowList(allowedModels, 'Model', 'POLICY_DENY_MODEL', ({ model }) => model);
  return {
    before(input, counted) {
      const finding = list.before(input, counted);
      if (finding === undefined) return undefined;
      const reason = `${finding.reason}; allowed: ${allowedModels.join(', ')}`;
      return { ...finding, reason, metadata: { ...finding.metadata, allowed: allowedModels } };
    },
  };
};

export const BUILT_IN_EVALUATORS: ReadonlyMap<string, PolicyEvaluatorFactory> = new Map([
  ['cost_limit', costLimit],
  ['rate_limit', rateLimit],
  ['content_filter', contentFilter],
  ['team_access', teamAccess],
  ['model_access', modelAccess],
]);

function allowList(
  allowed: readonly string[],
  what: string,
  reasonCode: ReasonCode,
  read: (input: PolicyInput) => string,
): PolicyEvaluator {
  const names = new Set(allowed);
  return {
    before(input) {
      const name = read(input);
      if (names.size === 0 || names.has(name)) return undefined;
      return { reasonCode, reason: `${what} "${name}" is not allowed`, metadata: { actual: name } };
    },
  };
}

/** The times of the last `size` requests, a ring: exact at any moment, with nothing to sweep. */
class RequestWindow {
  readonly #times: Float64Array; // [size] ms, oldest at #oldest
  #oldest = 0;

  constructor(size: number) {
    this.#times = new Float64Array(size).fill(Number.NEGATIVE_INFINITY);
  }

  /** Until one more request fits; 0 when it does. */
  waitMs(now: number): number {
    return Math.max(0, this.#times[this.#oldest]! + MINUTE_MS - now);
  }

  add(now: number): void {
    this.#times[this.#oldest] = now;
    this.#oldest = (this.#oldest + 1) % this.#times.length;
  }
}

const texts = rule.arrayOf('strings that are not empty', (item) => typeof item === 'string' && item !== '');

function checked<Conditions>(
  policyName: string,
  conditions: PolicyConditions,
  rules: Readonly<Record<string, Rule>>,
): Conditions {
  checkOptions(`policy "${policyName}"`, conditions, rules);
  return conditions as Conditions;
}

function settled<T extends string | number>(value: T | (() => T) | undefined): T | undefined {
  return typeof value === 'function' ? value() : value;
}
