// Alerts on how calls go, rather than on what a budget has left: a call that is dear, a budget that is nearly used, too
// many failures, too many slow calls. Thresholds are GenOps' own.
import { checkOptions, missing, requireOptions, rule } from '../options.js';

export interface OperationThresholds {
  /** USD of one call. Default 0.10. */
  readonly highCostUsd?: number | undefined;
  /** Used share of the budget of all calls, in its fullest window. Default 0.8. */
  readonly budgetUtilization?: number | undefined;
  /** Share of the latest calls that failed or were refused, up to 1. Default 0.05. */
  readonly errorRate?: number | undefined;
  /** 95th percentile of the latest calls. Default 2000. */
  readonly latencyP95Ms?: number | undefined;
}

export type OperationAlertKind = 'high_cost_operation' | 'budget_utilization' | 'error_rate' | 'latency_p95';

export interface OperationAlert {
  readonly kind: OperationAlertKind;
  readonly threshold: number;
  /** What passed it; of 'latency_p95' the latency of the call that did. */
  readonly value: number;
  readonly requestId: string;
}

export interface EndedOperation {
  readonly requestId: string;
  readonly costUsd: number;
  readonly durationMs: number;
  readonly failed: boolean;
  readonly budgetUtilization: number;
}

export const OPERATION_THRESHOLDS: Readonly<Required<{ [K in keyof OperationThresholds]: number }>> = {
  highCostUsd: 0.1,
  budgetUtilization: 0.8,
  errorRate: 0.05,
  latencyP95Ms: 2000,
};

/** Calls that rates are taken over, and how many there must be. */
const LATEST = 100;
const ENOUGH = 20;
/** The 95th percentile is above a limit exactly when more than this share of the calls is. */
const SLOWEST = 0.05;

const above = rule.above(0);
const RULES = {
  highCostUsd: above,
  budgetUtilization: above,
  errorRate: rule.above(0, 1),
  latencyP95Ms: above,
};

export class OperationAlerts {
  readonly #thresholds: typeof OPERATION_THRESHOLDS;
  readonly #onAlert: (alert: OperationAlert) => void;
  readonly #failed = new LatestShare();
  readonly #slow = new LatestShare();
  /** Those that hold now: each is told when it begins, and again only after it has ended. */
  readonly #lasting = new Set<OperationAlertKind>();

  /** @throws InvalidInputError for a threshold that is unknown or out of its range */
  constructor(thresholds: OperationThresholds, onAlert: (alert: OperationAlert) => void) {
    requireOptions('operationAlerts', thresholds);
    checkOptions('operationAlerts', thresholds, RULES);
    const defaults = missing(thresholds, OPERATION_THRESHOLDS);
    this.#thresholds = { ...thresholds, ...defaults } as typeof OPERATION_THRESHOLDS;
    this.#onAlert = onAlert;
  }

  /** Counts a call that has ended. */
  record({ requestId, costUsd, durationMs, failed, budgetUtilization }: EndedOperation): void {
    const limits = this.#thresholds;
    this.#failed.add(failed);
    this.#slow.add(durationMs > limits.latencyP95Ms);
    const tell = (kind: OperationAlertKind, threshold: number, value: number) =>
      this.#onAlert({ kind, threshold, value, requestId });
    if (costUsd > limits.highCostUsd) tell('high_cost_operation', limits.highCostUsd, costUsd);
    if (this.#begins('budget_utilization', budgetUtilization >= limits.budgetUtilization)) {
      tell('budget_utilization', limits.budgetUtilization, budgetUtilization);
    }
    if (this.#begins('error_rate', this.#failed.share > limits.errorRate)) {
      tell('error_rate', limits.errorRate, this.#failed.share);
    }
    if (this.#begins('latency_p95', this.#slow.share > SLOWEST)) {
      tell('latency_p95', limits.latencyP95Ms, durationMs);
    }
  }

  #begins(kind: OperationAlertKind, holds: boolean): boolean {
    if (!holds) {
      this.#lasting.delete(kind);
      return false;
    }
    if (this.#lasting.has(kind)) return false;
    this.#lasting.add(kind);
    return true;
  }
}

/** How many of the latest calls something is true of. */
class LatestShare {
  readonly #flags = new Uint8Array(LATEST); // a ring
  #next = 0;
  #known = 0;
  #count = 0;

  add(flag: boolean): void {
    this.#count += Number(flag) - this.#flags[this.#next]!;
    this.#flags[this.#next] = Number(flag);
    this.#next = (this.#next + 1) % LATEST;
    this.#known = Math.min(this.#known + 1, LATEST);
  }

  /** 0 while too few are known to speak of a share. */
  get share(): number {
    return this.#known < ENOUGH ? 0 : this.#count / this.#known;
  }
}
