// Who a call is attributed to. Five places may say, highest first: the request, a scope of the governed provider, the
// provider's own defaults, the ambient context, the process-wide defaults; then GENOPS_* variables, then constants.
// Note that a provider's default beats the ambient context: so it is in GenOps, and dashboards rely on it.
import { AsyncLocalStorage } from 'node:async_hooks';
import {
  type AttributeInput,
  type Attributes,
  type AttributeValue,
  attributesFrom,
  copyAttributes,
} from './attributes.js';

const BUILT_IN: Attributes = Object.freeze({
  team: 'default',
  project: 'default',
  environment: 'production',
});

const VARIABLES = {
  GENOPS_TEAM: 'team',
  GENOPS_PROJECT: 'project',
  GENOPS_ENVIRONMENT: 'environment',
  GENOPS_CUSTOMER_ID: 'customerId',
  GENOPS_COST_CENTER: 'costCenter',
  GENOPS_FEATURE: 'feature',
} as const;

type Variables = Readonly<Record<string, string | undefined>>;

const NONE: Attributes = Object.freeze({});

/** Replaced, never changed: its identity tells whether what was derived from it still holds. */
let processDefaults = NONE;

/** One nested scope. Never changed, so that calls running at the same time cannot see each other's. */
interface Frame {
  /** The provider whose scope this is; undefined: the ambient context. */
  readonly owner: Attribution | undefined;
  /** All that holds here, outer scopes of the same owner included. */
  readonly attributes: Attributes;
  readonly outer: Frame | undefined;
}

/** One storage for everybody: each further one would slow every promise of the process. */
const frames = new AsyncLocalStorage<Frame>();

/** The attribution of one governed provider. */
export class Attribution {
  readonly #own: Attributes;
  readonly #lowest: Attributes;
  #base: Attributes = NONE;
  #baseOf: Attributes | undefined;

  /** @throws InvalidInputError for a value that cannot be recorded */
  constructor(defaults: AttributeInput = NONE, variables: Variables = process.env) {
    this.#own = attributesFrom(defaults);
    this.#lowest = merged(BUILT_IN, fromVariables(variables));
  }

  /** A snapshot for one call: what happens later to the sources does not reach it. */
  resolve(request?: AttributeInput): Attributes {
    const frame = frames.getStore();
    if (frame === undefined && request === undefined) return this.#withoutContext();
    return effectiveAttributes({
      lowest: this.#lowest,
      process: processDefaults,
      ambient: attributesOf(undefined, frame),
      provider: this.#own,
      scope: attributesOf(this, frame),
      request,
    });
  }

  /**
   * Runs `body`, sync or async, with attributes for every call of this provider inside it. `body` receives what is in
   * force in the scope, outer scopes included. Nothing remains when it ends, however it ends.
   */
  scope<T>(attributes: AttributeInput, body: (inForce: Attributes) => T): T {
    return runFrame(this, attributes, body);
  }

  /** What most calls get, computed again only when the process-wide defaults have changed. */
  #withoutContext(): Attributes {
    if (this.#baseOf !== processDefaults) {
      this.#baseOf = processDefaults;
      this.#base = merged(this.#lowest, processDefaults, this.#own);
    }
    return this.#base;
  }
}

interface Levels {
  readonly lowest?: Attributes;
  readonly process?: Attributes;
  readonly ambient?: Attributes;
  readonly provider?: Attributes;
  readonly scope?: Attributes;
  readonly request?: AttributeInput | undefined;
}

/** The precedence, in one place. */
export function effectiveAttributes({
  lowest,
  process,
  ambient,
  provider,
  scope,
  request,
}: Levels): Attributes {
  const result: Record<string, AttributeValue> = {};
  if (lowest) Object.assign(result, lowest);
  if (process) Object.assign(result, process);
  if (ambient) Object.assign(result, ambient);
  if (provider) Object.assign(result, provider);
  if (scope) Object.assign(result, scope);
  if (request) copyAttributes(request, result);
  return Object.freeze(result);
}

// Process-wide defaults

export function setDefaultAttributes(attributes: AttributeInput): void {
  processDefaults = attributesFrom(attributes);
}

/** As `setDefaultAttributes`, keeping what is not named. */
export function updateDefaultAttributes(attributes: AttributeInput): void {
  processDefaults = merged(processDefaults, attributesFrom(attributes));
}

export function getDefaultAttributes(): Attributes {
  return processDefaults;
}

export function clearDefaultAttributes(): void {
  processDefaults = NONE;
}

// The ambient context: what holds for whatever runs asynchronously below here

/** Runs `body` with attributes for every governed call inside it, as `Attribution.scope` does for one provider. */
export function runWithAttributes<T>(attributes: AttributeInput, body: (inForce: Attributes) => T): T {
  return runFrame(undefined, attributes, body);
}

/**
 * Adds to the ambient context from here on: to the end of the scope around it, or of the asynchronous function it is
 * called in. Handlers of requests are better wrapped in `runWithAttributes`, whose end is plain to see.
 */
export function setContext(attributes: AttributeInput): void {
  enterAmbient(merged(getContext(), attributesFrom(attributes)));
}

export function getContext(): Attributes {
  return attributesOf(undefined, frames.getStore());
}

export function clearContext(): void {
  enterAmbient(NONE);
}

/** Takes the place of an ambient frame that is innermost: otherwise a loop around `setContext` would pile them up. */
function enterAmbient(attributes: Attributes): void {
  const innermost = frames.getStore();
  const outer = innermost?.owner === undefined ? innermost?.outer : innermost;
  frames.enterWith({ owner: undefined, attributes, outer });
}

function runFrame<T>(
  owner: Attribution | undefined,
  attributes: AttributeInput,
  body: (inForce: Attributes) => T,
): T {
  const outer = frames.getStore();
  const inForce = merged(attributesOf(owner, outer), attributesFrom(attributes));
  return frames.run({ owner, attributes: inForce, outer }, body, inForce);
}

function attributesOf(owner: Attribution | undefined, innermost: Frame | undefined): Attributes {
  let frame = innermost;
  while (frame !== undefined && frame.owner !== owner) frame = frame.outer;
  return frame?.attributes ?? NONE;
}

function merged(...lowestFirst: readonly Attributes[]): Attributes {
  return Object.freeze(Object.assign({}, ...lowestFirst) as Attributes);
}

function fromVariables(variables: Variables): Attributes {
  const found: Record<string, string> = {};
  for (const [variable, name] of Object.entries(VARIABLES)) {
    const value = variables[variable];
    if (value) found[name] = value;
  }
  return found;
}
