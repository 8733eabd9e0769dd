// What all calls of one governed provider share: one instance of every concern, made from the options.
import { missing } from '../options.js';
import type { Provider } from '../providers/provider.js';
import { Admission } from './admission.js';
import { AttemptWatch } from './attempt-watch.js';
import { Attribution } from './attribution.js';
import { AuditTrail } from './audit.js';
import { CircuitBreaker } from './breaker.js';
import { type BudgetAlert, BudgetManager } from './budget.js';
import type { BudgetDefinition } from './budget-definition.js';
import { type OnFault, tell } from './callbacks.js';
import { type Clock, systemClock } from './clock.js';
import { CostTotals } from './cost-totals.js';
import { type Ledger, type LedgerEntry, MemoryLedger } from './ledger.js';
import { Log } from './logging.js';
import { OperationAlerts } from './operation-alerts.js';
import { checkGovernOptions, type GovernancePolicy, type GovernOptions } from './options.js';
import { PolicyEngine } from './policy.js';
import { PricingCatalogue } from './pricing/catalogue.js';
import { type RetryPolicy, retryPolicy, type Sleep } from './retry.js';
import { type Session, Sessions } from './session.js';
import { TelemetryFaults } from './telemetry/faults.js';
import { type GovernanceMetrics, metricsOf } from './telemetry/metrics.js';
import { samplingRate, TelemetrySampler } from './telemetry/sampling.js';
import { noRecorder, type Recorder, SpanRecorder } from './telemetry/spans.js';
import { Tenants } from './tenants.js';
import { showUsd } from './usd.js';
import { TagValidator } from './validation.js';

const DEFAULT_TIMEOUT_MS = 60_000;

export interface GovernanceParts {
  readonly provider: Provider;
  readonly requestDefaults: GovernOptions['requestDefaults'];
  readonly enabled: boolean;
  readonly policy: GovernancePolicy;
  readonly costTracking: boolean;
  readonly costAlerts: boolean;
  readonly requestTimeoutMs: number;
  readonly clock: Clock;
  readonly sleep: Sleep | undefined;
  readonly attribution: Attribution;
  readonly tags: TagValidator;
  readonly policies: PolicyEngine;
  readonly pricing: PricingCatalogue;
  readonly budgets: BudgetManager;
  readonly tenants: Tenants;
  readonly ledger: Ledger;
  readonly totals: CostTotals;
  readonly sessions: Sessions;
  readonly retry: RetryPolicy;
  /** Absent where they are not asked for. */
  readonly alerts: OperationAlerts | undefined;
  /** Absent where it is not asked for. */
  readonly breaker: CircuitBreaker | undefined;
  readonly admission: Admission;
  readonly watch: AttemptWatch;
  readonly recorder: Recorder;
  readonly metrics: GovernanceMetrics | undefined;
  readonly audit: AuditTrail;
  readonly log: Log;
  readonly faults: TelemetryFaults;
}

/** @throws InvalidInputError for an option that cannot be meant */
export function governanceParts(provider: Provider, options: GovernOptions): GovernanceParts {
  checkGovernOptions(options);
  const clock = options.clock ?? systemClock;
  const costAlerts = options.enableCostAlerts ?? true;
  const faults = new TelemetryFaults();
  const log = new Log(options.logger, faults);
  const tenants = new Tenants(options.tenants);
  const onFault: OnFault = (_where, error) => faults.record('callback', error);
  const ledger = options.ledger ? withoutThrowing(options.ledger, onFault) : new MemoryLedger();
  return {
    provider,
    requestDefaults: options.requestDefaults,
    enabled: options.enableGovernance ?? true,
    policy: options.governancePolicy ?? 'advisory',
    costTracking: options.costTrackingEnabled ?? true,
    costAlerts,
    requestTimeoutMs: options.requestTimeoutMs ?? DEFAULT_TIMEOUT_MS,
    clock,
    sleep: options.sleep,
    attribution: new Attribution(options.attributes),
    tags: new TagValidator(options.tagRules),
    policies: policyEngine(options, clock),
    pricing: options.pricing ?? new PricingCatalogue(),
    budgets: new BudgetManager({
      budgets: [...sharedBudgets(options), ...tenants.budgets()],
      clock,
      alertThresholds: options.alertThresholds,
      onAlert: (alert) => {
        if (costAlerts) log.warn('Budget alert', () => alertFields(alert));
        return options.onBudgetAlert?.(alert);
      },
      onFault,
      ledger,
    }),
    tenants,
    ledger,
    totals: new CostTotals(),
    sessions: new Sessions(clock, {
      keepResults: options.sessionResults,
      onEnd: (session) => log.info('Session ended', () => sessionFields(session)),
    }),
    retry: options.retryPolicy ?? retryPolicyOf(options),
    alerts: operationAlerts(options, log, onFault),
    breaker: options.enableCircuitBreaker
      ? new CircuitBreaker(
          { threshold: options.circuitBreakerThreshold, openMs: options.circuitBreakerTimeoutMs },
          clock,
        )
      : undefined,
    admission: new Admission(options.admission ?? {}, clock),
    watch: new AttemptWatch(clock),
    ...telemetry(options, clock, faults),
    audit: new AuditTrail(clock, { sink: options.onAudit, onFault }),
    log,
    faults,
  };
}

function policyEngine(options: GovernOptions, clock: Clock): PolicyEngine {
  const engine = new PolicyEngine(clock);
  for (const policy of options.policies ?? []) engine.register(policy);
  return engine;
}

/** Days and months of all calls are always counted, for the cost summary. */
function sharedBudgets(options: GovernOptions): readonly BudgetDefinition[] {
  const {
    hourlyBudgetLimit,
    dailyBudgetLimit,
    weeklyBudgetLimit,
    monthlyBudgetLimit,
    budgets = [],
  } = options;
  const own = Object.entries({
    hourly: hourlyBudgetLimit,
    daily: dailyBudgetLimit,
    weekly: weeklyBudgetLimit,
    monthly: monthlyBudgetLimit,
  }).filter(([, limit]) => limit !== undefined);
  const counted = { daily: Number.POSITIVE_INFINITY, monthly: Number.POSITIVE_INFINITY };
  const hasOverall = budgets.some(({ scope = 'all' }) => scope === 'all');
  const all = budgets.map((budget) =>
    (budget.scope ?? 'all') === 'all'
      ? { ...budget, limitsUsd: { ...budget.limitsUsd, ...missing(budget.limitsUsd, counted) } }
      : budget,
  );
  if (hasOverall && own.length === 0) return all;
  return [{ limitsUsd: { ...counted, ...Object.fromEntries(own) } }, ...all];
}

function operationAlerts(
  { operationAlerts, onOperationAlert }: GovernOptions,
  log: Log,
  onFault: OnFault,
): OperationAlerts | undefined {
  if (operationAlerts === undefined && onOperationAlert === undefined) return undefined;
  return new OperationAlerts(operationAlerts ?? {}, (alert) => {
    log.warn('Operation alert', () => ({ ...alert }));
    tell(onOperationAlert, alert, 'operation alert', onFault);
  });
}

/** A ledger of the application's must not be what breaks a call. */
function withoutThrowing(ledger: Ledger, onFault: OnFault): Ledger {
  ledger.reportTo?.(onFault);
  const append: (entry: LedgerEntry) => unknown = (entry) => ledger.append(entry);
  return {
    append: (entry) => tell(append, entry, 'ledger', onFault),
    load: () => ledger.load(),
    flush: () => ledger.flush(),
    close: () => ledger.close(),
  };
}

function retryPolicyOf(options: GovernOptions): RetryPolicy {
  return retryPolicy({
    enabled: options.enableRetry,
    maxRetries: options.maxRetries,
    backoffFactor: options.retryBackoffFactor,
    whenQueueFull: options.retryWhenQueueFull,
  });
}

function telemetry(
  options: GovernOptions,
  clock: Clock,
  faults: TelemetryFaults,
): Pick<GovernanceParts, 'recorder' | 'metrics'> {
  if (options.telemetryEnabled === false) return { recorder: noRecorder, metrics: undefined };
  const recorder = new SpanRecorder({
    sampler: new TelemetrySampler(samplingRate(options.samplingRate), options.samplingStrategy),
    naming: options.spanNaming,
    content: options.captureContent,
    serviceLevel: options.serviceLevel,
    clock,
    faults,
    tracerProvider: options.tracerProvider,
  });
  return { recorder, metrics: metricsOf(options.meterProvider) };
}

function sessionFields({ sessionId, sessionName, totalOperations, totalCost, ...session }: Session) {
  const durationMs = session.endTime! - session.startTime;
  return { sessionId, sessionName, operations: totalOperations, cost: showUsd(totalCost), durationMs };
}

function alertFields({ scope, value, period, usagePercent, usedUsd, limitUsd }: BudgetAlert) {
  return { scope, value, period, usagePercent, used: showUsd(usedUsd), limit: showUsd(limitUsd) };
}
