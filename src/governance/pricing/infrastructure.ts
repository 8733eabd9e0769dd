// What computing a call costs the owner of the machine: time of the devices that worked, and their electricity.
import { checkOptions, missing, rule } from '../../options.js';
import { requireAmount } from './price.js';

/** Seconds in which each device worked on a call. A machine without a GPU has no GPU seconds, hence no GPU cost. */
export interface DeviceSeconds {
  readonly cpu: number;
  readonly gpu: number;
}

/**
 * GenOps' figures for local models. It charges 0.4 kW for both devices at once; here each has its share, so that a
 * call on the CPU alone does not pay for a GPU. Its multiplier by model size is left out: a larger model takes longer,
 * and the time is measured.
 */
export interface InfrastructureRates {
  /** USD per hour. */
  readonly cpuHourRate: number;
  /** USD per hour. */
  readonly gpuHourRate: number;
  readonly cpuWatts: number;
  readonly gpuWatts: number;
  /** USD per kWh. */
  readonly electricityRate: number;
}

export const DEFAULT_RATES: InfrastructureRates = {
  cpuHourRate: 0.05,
  gpuHourRate: 0.5,
  cpuWatts: 100,
  gpuWatts: 300,
  electricityRate: 0.12,
};

const amount = rule.number(0);
const RATE_RULES = {
  cpuHourRate: amount,
  gpuHourRate: amount,
  cpuWatts: amount,
  gpuWatts: amount,
  electricityRate: amount,
};

/** Read in this order, so that rates set for another local runtime hold here too. */
const VARIABLE_PREFIXES = ['GENOPS_GPT2_', 'GENOPS_OLLAMA_'] as const;

const VARIABLES = {
  cpuHourRate: 'CPU_HOUR_RATE',
  gpuHourRate: 'GPU_HOUR_RATE',
  electricityRate: 'ELECTRICITY_RATE',
} as const;

/**
 * The given rates, else those of `GENOPS_GPT2_CPU_HOUR_RATE`, `_GPU_HOUR_RATE` and `_ELECTRICITY_RATE`, else the
 * default ones.
 * @throws InvalidInputError for a rate that is negative, not finite or unknown
 */
export function infrastructureRates(
  given: Partial<InfrastructureRates> = {},
  variables: Readonly<Record<string, string | undefined>> = process.env,
): InfrastructureRates {
  checkOptions('infrastructure rates', given, RATE_RULES);
  const found: Record<string, number> = {};
  for (const [rate, variable] of Object.entries(VARIABLES)) {
    const prefix = VARIABLE_PREFIXES.find((candidate) => variables[candidate + variable]);
    if (prefix) found[rate] = Number(variables[prefix + variable]);
  }
  const defaults = { ...DEFAULT_RATES, ...found };
  const rates: InfrastructureRates = { ...defaults, ...given, ...missing(given, defaults) };
  for (const [name, value] of Object.entries(rates)) requireAmount('infrastructure rates', name, value);
  return rates;
}

/** USD, not rounded: (hour rate + kW * price of electricity) * hours, per device. */
export function infrastructureCost(seconds: DeviceSeconds, rates: InfrastructureRates): number {
  requireAmount('compute time', 'cpu', seconds.cpu);
  requireAmount('compute time', 'gpu', seconds.gpu);
  const { electricityRate } = rates;
  const cpuHour = rates.cpuHourRate + (rates.cpuWatts / 1000) * electricityRate;
  const gpuHour = rates.gpuHourRate + (rates.gpuWatts / 1000) * electricityRate;
  return (seconds.cpu * cpuHour + seconds.gpu * gpuHour) / 3600;
}

/** What a token of each model has cost to compute so far: the basis of estimates. */
export class ComputePace {
  readonly #totals = new Map<string, { tokens: number; usd: number }>();

  record(model: string, tokens: number, usd: number): void {
    const totals = this.#totals.get(model);
    if (totals === undefined) this.#totals.set(model, { tokens, usd });
    else {
      totals.tokens += tokens;
      totals.usd += usd;
    }
  }

  /** USD for so many tokens; undefined before the model has computed any. */
  estimate(model: string, tokens: number): number | undefined {
    const totals = this.#totals.get(model);
    return totals && totals.tokens > 0 ? (totals.usd / totals.tokens) * tokens : undefined;
  }
}
