// Puts governance around what a program calls already, and takes it away again, with no change where it is called.
// Every patched call is governed or refused: there is no way back to the bare call that would skip a budget or run it twice.
import { InvalidInputError } from '../errors.js';
import { checkOptions, rule } from '../options.js';
import type { Provider } from '../providers/provider.js';
import type { AttributeInput, Attributes } from './attributes.js';
import { getDefaultAttributes, setDefaultAttributes, updateDefaultAttributes } from './attribution.js';
import { Log } from './logging.js';
import { type TelemetryFaults, telemetryFaults } from './telemetry/faults.js';

/** Something that can be put under governance. */
export interface Instrumentation {
  readonly name: string;
  /** Default 'inference'. */
  readonly frameworkType?: string;
  readonly description?: string;
  readonly capabilities?: readonly string[];
  /** Whether what it patches is there. Default: yes. */
  available?(): boolean;
  /** Patches, and returns what restores the originals. */
  patch(): () => void;
}

export interface InstrumentOptions {
  /** Names of those to put in force. Default: all that are registered and available. */
  readonly only?: readonly string[] | undefined;
  /** Process-wide attributes from here to `uninstrument`, over those that were set. */
  readonly defaults?: AttributeInput | undefined;
}

export interface InstrumentationStatus {
  readonly initialized: boolean;
  readonly instrumented: readonly string[];
  readonly available: readonly string[];
  readonly registered: readonly {
    readonly name: string;
    readonly frameworkType: string;
    readonly description: string;
    readonly capabilities: readonly string[];
  }[];
  /** Names by framework type. */
  readonly byType: Readonly<Record<string, readonly string[]>>;
  readonly defaultAttributes: Attributes;
}

const RULES = {
  only: rule.arrayOf('names', (name) => typeof name === 'string'),
  defaults: rule.object,
};

export class Instrumentor {
  readonly #log: Log;
  readonly #faults: TelemetryFaults;
  readonly #registered = new Map<string, Instrumentation>();
  readonly #inForce = new Map<string, () => void>();
  #defaultsBefore: Attributes | undefined;

  constructor(options: { readonly log?: Log; readonly faults?: TelemetryFaults } = {}) {
    this.#log = options.log ?? new Log();
    this.#faults = options.faults ?? telemetryFaults;
  }

  /** Makes it known; the same name again replaces it, unless it is in force. */
  register(instrumentation: Instrumentation): void {
    if (!this.#inForce.has(instrumentation.name)) this.#registered.set(instrumentation.name, instrumentation);
  }

  /**
   * Puts all that are available in force; what cannot be patched is left as it is, with a warning. Doing it again changes
   * nothing, with a warning.
   * @throws InvalidInputError for an unknown option, and `INHOUSE_INVALID_OPTION` for a name in `only` that is not
   * registered
   */
  init(options: InstrumentOptions = {}): InstrumentationStatus {
    checkOptions('instrument', options, RULES);
    const { only, defaults = {} } = options;
    if (this.#defaultsBefore !== undefined) {
      this.#log.warn('Already instrumented');
      return this.status();
    }
    const unknown = only?.find((name) => !this.#registered.has(name));
    if (unknown !== undefined) throw this.#unknown(unknown);
    this.#defaultsBefore = getDefaultAttributes();
    updateDefaultAttributes(defaults);
    for (const instrumentation of this.#registered.values()) {
      const wanted = only === undefined || only.includes(instrumentation.name);
      if (wanted && isAvailable(instrumentation)) this.#patch(instrumentation);
    }
    return this.status();
  }

  /** Restores every original and the process-wide attributes. */
  uninstrument(): void {
    if (this.#defaultsBefore === undefined) return;
    for (const restore of this.#inForce.values()) restore();
    this.#inForce.clear();
    setDefaultAttributes(this.#defaultsBefore);
    this.#defaultsBefore = undefined;
  }

  status(): InstrumentationStatus {
    const all = [...this.#registered.values()];
    const byType: Record<string, string[]> = {};
    for (const { name, frameworkType = 'inference' } of all) {
      byType[frameworkType] = [...(byType[frameworkType] ?? []), name];
    }
    return {
      initialized: this.#defaultsBefore !== undefined,
      instrumented: [...this.#inForce.keys()],
      available: all.filter(isAvailable).map(({ name }) => name),
      registered: all.map(({ name, frameworkType = 'inference', description = '', capabilities = [] }) => ({
        name,
        frameworkType,
        description,
        capabilities,
      })),
      byType,
      defaultAttributes: getDefaultAttributes(),
    };
  }

  #patch(instrumentation: Instrumentation): void {
    try {
      this.#inForce.set(instrumentation.name, instrumentation.patch());
    } catch (error) {
      this.#faults.record('instrumentation', error);
      this.#log.warn('Not instrumented', () => ({ instrumentation: instrumentation.name, error }));
    }
  }

  #unknown(name: string): InvalidInputError {
    const known = [...this.#registered.keys()].join(', ') || 'none';
    const message = `instrument: "${name}" is not registered. Registered: ${known}.`;
    return new InvalidInputError('INHOUSE_INVALID_OPTION', message, { details: { option: 'only' } });
  }
}

/** Of this process: patches are. */
export const instrumentor = new Instrumentor();

function isAvailable(instrumentation: Instrumentation): boolean {
  return instrumentation.available?.() ?? true;
}

/**
 * Governs the calls of `provider` itself: whoever holds it is governed from then on. `govern` gets the provider as it was.
 */
export function providerInstrumentation(
  provider: Provider,
  govern: (original: Provider) => Provider,
): Instrumentation {
  return {
    name: provider.name,
    description: `Calls of the ${provider.kind} provider ${provider.name}`,
    capabilities: [
      'cost_tracking',
      'governance_attribution',
      ...(provider.capabilities.embeddings ? ['embeddings'] : []),
    ],
    patch() {
      const governed = govern(asItIs(provider));
      return replaceMethods(provider, {
        complete: governed.complete.bind(governed),
        chat: governed.chat.bind(governed),
        stream: governed.stream.bind(governed),
        embed: governed.embed.bind(governed),
      });
    },
  };
}

/** The provider with the methods it has now, whatever they are replaced with later. */
function asItIs(provider: Provider): Provider {
  return {
    name: provider.name,
    kind: provider.kind,
    capabilities: provider.capabilities,
    complete: provider.complete.bind(provider),
    chat: provider.chat.bind(provider),
    stream: provider.stream.bind(provider),
    embed: provider.embed.bind(provider),
    countTokens: provider.countTokens.bind(provider),
    ...(provider.contextLength && { contextLength: provider.contextLength.bind(provider) }),
    ...(provider.targets && { targets: provider.targets.bind(provider) }),
    listModels: provider.listModels.bind(provider),
    health: provider.health.bind(provider),
  };
}

/** Replaces methods of an object; returns what puts everything back, inherited methods to inherited. */
export function replaceMethods<T extends object>(target: T, replacements: Partial<T>): () => void {
  const names = Object.keys(replacements);
  const before = names.map((name) => Object.getOwnPropertyDescriptor(target, name));
  for (const name of names) {
    const value = replacements[name as keyof T];
    Object.defineProperty(target, name, { value, configurable: true, writable: true, enumerable: false });
  }
  return () => {
    for (const [index, name] of names.entries()) {
      const descriptor = before[index];
      if (descriptor === undefined) Reflect.deleteProperty(target, name);
      else Object.defineProperty(target, name, descriptor);
    }
  };
}
