// What `govern` can be told, checked once when a provider is put under governance. The names are those that users of
// GenOps' adapters know, in camelCase.
import type { MeterProvider, TracerProvider } from '@opentelemetry/api';
import { checkOptions, invalidOption, requireOptions, rule } from '../options.js';
import type { SamplingRequest } from '../providers/provider.js';
import { CALL_RULES, SAMPLING_RULES } from '../providers/request.js';
import type { AdmissionLimits } from './admission.js';
import type { AttributeInput } from './attributes.js';
import type { AuditRecord } from './audit.js';
import type { BudgetAlert } from './budget.js';
import { type BudgetDefinition, checkBudget } from './budget-definition.js';
import { type Clock, clockRule } from './clock.js';
import type { Ledger } from './ledger.js';
import type { Logger } from './logging.js';
import type { OperationAlert, OperationThresholds } from './operation-alerts.js';
import type { Policy } from './policy.js';
import type { PricingCatalogue } from './pricing/catalogue.js';
import type { RetryPolicy, Sleep } from './retry.js';
import { checkTagRule, type TagRule } from './tag-rules.js';
import type { ContentCapture } from './telemetry/content.js';
import type { SpanNaming } from './telemetry/names.js';
import type { SamplingStrategy } from './telemetry/sampling.js';
import type { ServiceLevel } from './telemetry/spans.js';
import { checkTenants, type TenantSettings } from './tenants.js';

/**
 * advisory: everything is judged, nothing is stopped except by tag rules of severity 'block'.
 * enforced: policies and budgets stop calls.
 * strict: enforced, and budgets stop at 95 %, violated tag rules and unknown prices stop calls, a stream ends when it has
 * cost what was reserved, and every decision is put on record.
 */
export type GovernancePolicy = 'advisory' | 'enforced' | 'strict';

export interface GovernOptions {
  /** What calls are attributed to unless they say otherwise: team, project, environment, customerId, any other key. */
  readonly attributes?: AttributeInput | undefined;
  /** Default 'advisory'. */
  readonly governancePolicy?: GovernancePolicy | undefined;
  /** Settings of requests that do not give them. */
  readonly requestDefaults?: Partial<Omit<SamplingRequest, 'model'>> | undefined;
  /** False: no tag rule, policy or budget is asked; costs are still counted. Default true. */
  readonly enableGovernance?: boolean | undefined;
  readonly policies?: readonly Policy[] | undefined;
  /** Default: the six rules of tag-rules.ts. */
  readonly tagRules?: readonly TagRule[] | undefined;

  /** USD for all calls of the provider. */
  readonly hourlyBudgetLimit?: number | undefined;
  readonly dailyBudgetLimit?: number | undefined;
  readonly weeklyBudgetLimit?: number | undefined;
  readonly monthlyBudgetLimit?: number | undefined;
  /** Budgets of teams, projects, customers; windows that follow the calendar. */
  readonly budgets?: readonly BudgetDefinition[] | undefined;
  /** Fractions of a limit. Default 0.5, 0.75, 0.9, 1. */
  readonly alertThresholds?: readonly number[] | undefined;
  readonly onBudgetAlert?: ((alert: BudgetAlert) => unknown) | undefined;
  /** Warn in the log of each budget alert, and of every cost once 80 % of the day's limit is used. Default true. */
  readonly enableCostAlerts?: boolean | undefined;
  /** With it or `onOperationAlert`: dear calls, a used budget, failures and slow calls give alerts. */
  readonly operationAlerts?: OperationThresholds | undefined;
  /** Told of each, which is also a warning in the log. */
  readonly onOperationAlert?: ((alert: OperationAlert) => unknown) | undefined;
  /** Customers with a mode or limits of their own, by customer id. */
  readonly tenants?: Readonly<Record<string, TenantSettings>> | undefined;
  /** Where costs are kept beyond the process. Default: nowhere. `restore()` loads it, `close()` closes it. */
  readonly ledger?: Ledger | undefined;

  /** False: every cost is 0. Default true. */
  readonly costTrackingEnabled?: boolean | undefined;
  /** Default: the built-in prices, charged by tokens. */
  readonly pricing?: PricingCatalogue | undefined;

  /** Default true: three retries after 1, 2 and 4 s, times `retryBackoffFactor`. */
  readonly enableRetry?: boolean | undefined;
  /** Default 3. */
  readonly maxRetries?: number | undefined;
  /** Default 1. */
  readonly retryBackoffFactor?: number | undefined;
  /** Also retry when our own queue is full. Default false. */
  readonly retryWhenQueueFull?: boolean | undefined;
  /** Takes the place of the four above. */
  readonly retryPolicy?: RetryPolicy | undefined;
  /** Most milliseconds one attempt may take, up to 2 147 483 647. Default 60 000. */
  readonly requestTimeoutMs?: number | undefined;
  /** Default false. */
  readonly enableCircuitBreaker?: boolean | undefined;
  /** Failures in a row that open the circuit. Default 5. */
  readonly circuitBreakerThreshold?: number | undefined;
  /** Default 60 000. */
  readonly circuitBreakerTimeoutMs?: number | undefined;
  /** Default: 50 calls run, 200 wait. */
  readonly admission?: AdmissionLimits | undefined;

  /** False: no spans and no metrics. Default true. */
  readonly telemetryEnabled?: boolean | undefined;
  /** Share of calls that get a span, 0 to 1. Costs and metrics are complete at any rate. Default GENOPS_SAMPLING_RATE or 1. */
  readonly samplingRate?: number | undefined;
  readonly samplingStrategy?: SamplingStrategy | undefined;
  readonly spanNaming?: SpanNaming | undefined;
  /** Default false: texts never leave. */
  readonly captureContent?: ContentCapture | undefined;
  readonly serviceLevel?: ServiceLevel | undefined;
  readonly tracerProvider?: TracerProvider | undefined;
  readonly meterProvider?: MeterProvider | undefined;
  /** A pino logger, or what looks like one. Default: nothing is logged. */
  readonly logger?: Logger | undefined;
  /** Takes the records of strict mode. */
  readonly onAudit?: ((record: AuditRecord) => unknown) | undefined;

  /** Results that a session keeps. Default 100. */
  readonly sessionResults?: number | undefined;

  readonly clock?: Clock | undefined;
  readonly sleep?: Sleep | undefined;
}

/** Settings for three volumes of calls per day: below a thousand, up to a hundred thousand, above. */
export const GOVERN_PROFILES = {
  standard: { enableRetry: true, maxRetries: 3, enableCircuitBreaker: true, samplingRate: 1 },
  highVolume: {
    enableRetry: true,
    maxRetries: 3,
    enableCircuitBreaker: true,
    samplingRate: 0.1,
    requestTimeoutMs: 30_000,
  },
  extreme: {
    enableRetry: true,
    maxRetries: 2,
    enableCircuitBreaker: true,
    samplingRate: 0.01,
    requestTimeoutMs: 15_000,
  },
} as const satisfies Readonly<Record<string, GovernOptions>>;

const limit = rule.above(0);
const catalogueRule = rule.methods('lookup', 'priceOf', 'estimate', 'actual', 'cost');

const RULES = {
  attributes: rule.object,
  governancePolicy: rule.oneOf('advisory', 'enforced', 'strict'),
  requestDefaults: rule.object,
  enableGovernance: rule.boolean,
  policies: rule.arrayOf('policies', isObject),
  tagRules: rule.arrayOf('tag rules', isObject),
  hourlyBudgetLimit: limit,
  dailyBudgetLimit: limit,
  weeklyBudgetLimit: limit,
  monthlyBudgetLimit: limit,
  budgets: rule.arrayOf('budgets', isObject),
  alertThresholds: rule.arrayOf('numbers', (value) => typeof value === 'number'),
  onBudgetAlert: rule.function,
  enableCostAlerts: rule.boolean,
  operationAlerts: rule.object,
  onOperationAlert: rule.function,
  tenants: rule.object,
  ledger: rule.methods('append', 'load', 'flush', 'close'),
  costTrackingEnabled: rule.boolean,
  pricing: (value: unknown) => catalogueRule(value) && 'a PricingCatalogue',
  enableRetry: rule.boolean,
  maxRetries: rule.integer(0, 100),
  retryBackoffFactor: rule.number(0),
  retryWhenQueueFull: rule.boolean,
  retryPolicy: isRetryPolicy,
  requestTimeoutMs: CALL_RULES.timeoutMs,
  enableCircuitBreaker: rule.boolean,
  circuitBreakerThreshold: rule.integer(1),
  circuitBreakerTimeoutMs: rule.above(0),
  admission: rule.object,
  telemetryEnabled: rule.boolean,
  samplingRate: rule.number(Number.NEGATIVE_INFINITY),
  samplingStrategy: rule.oneOf('exact', 'trace-id', 'parent'),
  spanNaming: rule.oneOf('anyscale', 'together'),
  captureContent: (value: unknown) =>
    typeof value === 'function' || typeof value === 'boolean' ? undefined : 'true, false or a function',
  serviceLevel: rule.object,
  tracerProvider: rule.methods('getTracer'),
  meterProvider: rule.methods('getMeter'),
  logger: rule.methods('isLevelEnabled', 'debug', 'info', 'warn', 'error'),
  onAudit: rule.function,
  sessionResults: rule.integer(0),
  clock: clockRule,
  sleep: rule.function,
};

const SERVICE_LEVEL_RULES = { tier: rule.text, latencyTargetMs: rule.above(0) };

/** @throws InvalidInputError for an unknown option, or one that cannot be meant */
export function checkGovernOptions(options: GovernOptions): void {
  requireOptions('govern', options);
  const { governancePolicy, ...rest } = options;
  const modes = RULES.governancePolicy(governancePolicy ?? 'advisory');
  if (modes) throw invalidOption('Invalid governance policy', 'governancePolicy', governancePolicy, modes);
  for (const name of ['hourly', 'daily', 'weekly', 'monthly'] as const) {
    const value = options[`${name}BudgetLimit`];
    if (value !== undefined && limit(value)) {
      throw invalidOption('Budget limit must be positive', `${name}BudgetLimit`, value, 'USD above 0');
    }
  }
  checkOptions('govern', rest, RULES);
  const { model: _theCallers, ...settings } = SAMPLING_RULES;
  checkOptions('requestDefaults', options.requestDefaults, settings);
  const { budgets = [], serviceLevel, tagRules = [], tenants = {} } = options;
  for (const [index, each] of budgets.entries()) checkBudget(each, `govern: budgets[${index}]`);
  for (const [index, each] of tagRules.entries()) checkTagRule(each, `govern: tagRules[${index}]`);
  checkTenants(tenants, 'govern: tenants');
  checkOptions('govern: serviceLevel', serviceLevel, SERVICE_LEVEL_RULES);
}

/** Its methods may be inherited, and it may have more. */
function isRetryPolicy(value: unknown): string | undefined {
  const { maxRetries, waitMs, retries } = Object(value) as Partial<RetryPolicy>;
  const whole = typeof waitMs === 'function' && typeof retries === 'function';
  return whole && rule.integer(0)(maxRetries) === undefined
    ? undefined
    : 'an object of maxRetries, an integer from 0, and the functions waitMs and retries';
}

function isObject(value: unknown): boolean {
  return rule.object(value) === undefined;
}
