// The limits of a process that serves many callers, checked once when it starts: the impossible is refused, the
// improbable warned of.
import { checkOptions, rule } from '../options.js';

export interface GatewayLimits {
  readonly maxQueueSize?: number | undefined;
  readonly maxConcurrent?: number | undefined;
  readonly maxModelsConcurrent?: number | undefined;
  readonly requestTimeoutSeconds?: number | undefined;
  readonly connectTimeoutSeconds?: number | undefined;
}

export const GATEWAY_DEFAULTS = {
  maxQueueSize: 200,
  maxConcurrent: 50,
  maxModelsConcurrent: 3,
  requestTimeoutSeconds: 300,
  connectTimeoutSeconds: 10,
} as const satisfies Required<GatewayLimits>;

/** Values above these are likely mistakes. */
const UNLIKELY_ABOVE: Readonly<Record<keyof GatewayLimits, number>> = {
  maxQueueSize: 10_000,
  maxConcurrent: 500,
  maxModelsConcurrent: 20,
  requestTimeoutSeconds: 3600,
  connectTimeoutSeconds: 60,
};

const NAMES = Object.keys(UNLIKELY_ABOVE) as (keyof GatewayLimits)[];

/** The limits with their defaults, and what to warn of. @throws InvalidInputError for one that is not positive */
export function checkGatewayLimits(limits: GatewayLimits): {
  readonly limits: Readonly<Record<keyof GatewayLimits, number>>;
  readonly warnings: readonly string[];
} {
  checkOptions('gateway limits', limits, {
    maxQueueSize: rule.integer(1),
    maxConcurrent: rule.integer(1),
    maxModelsConcurrent: rule.integer(1),
    requestTimeoutSeconds: rule.above(0),
    connectTimeoutSeconds: rule.above(0),
  });
  const complete: Record<keyof GatewayLimits, number> = { ...GATEWAY_DEFAULTS };
  for (const name of NAMES) complete[name] = limits[name] ?? complete[name];
  const warnings = NAMES.filter((name) => complete[name] > UNLIKELY_ABOVE[name]).map(
    (name) => `${name} is ${complete[name]}; more than ${UNLIKELY_ABOVE[name]} is rarely meant.`,
  );
  return { limits: complete, warnings };
}
