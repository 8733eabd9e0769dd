// Several replicas of the same models in one provider, such as one engine per GPU: a call goes to the one with the least
// to do. Every replica holds whole models; a model spread over several devices is a server's job (docs/cuda.md).
import { InhouseError, InvalidInputError } from '../errors.js';
import type { Provider } from './provider.js';
import { type Route, Router, SPILLS } from './router.js';

/** What a replica that broke fails with, such as one whose GPU is lost: another may still do it. */
const BREAKAGES: ReadonlySet<string> = new Set([
  'INHOUSE_RUNTIME_LOAD',
  'INHOUSE_RUNTIME_STEP',
  'INHOUSE_DISPOSED',
]);

/** For so long a replica that broke is asked only when no other can serve. */
const COOL_DOWN_MS = 30_000;

/**
 * Over providers that serve the same models under the same names. A call goes to the one with the fewest choices under
 * way; if that is full or breaks, on to the next, a stream only before its first chunk. When none can, the last one's
 * error is thrown. `now` returns milliseconds.
 */
export function balanced(
  replicas: readonly Provider[],
  name = 'balanced',
  now: () => number = () => performance.now(),
): Provider {
  if (replicas.length === 0)
    throw new InvalidInputError('INHOUSE_INVALID_OPTION', 'balanced: pass at least one provider.');
  const all = replicas.map((provider) => new Replica(provider, now));
  const routes = replicas.map((provider) => ({ provider }));
  return new Router(name, {
    routes,
    targets: routes.filter(
      ({ provider }, at) => !replicas.slice(0, at).some((other) => alike(other, provider)),
    ),
    order: (request) => all.toSorted((a, b) => a.load - b.load).map((one) => one.route(choicesOf(request))),
    spills: new Set([...SPILLS, ...BREAKAGES]),
  });
}

/** Whether a request costs the same at both. */
function alike(one: Provider, other: Provider): boolean {
  return one.targets === undefined && one.name === other.name && one.kind === other.kind;
}

/** A provider, and how much it has to do. */
class Replica {
  readonly #provider: Provider;
  readonly #now: () => number;
  #choices = 0;
  #brokeAtMs = Number.NEGATIVE_INFINITY;

  constructor(provider: Provider, now: () => number) {
    this.#provider = provider;
    this.#now = now;
  }

  /** The least is asked first. */
  get load(): number {
    return this.#now() - this.#brokeAtMs < COOL_DOWN_MS ? Number.MAX_SAFE_INTEGER : this.#choices;
  }

  /** For one call of so many choices. */
  route(choices: number): Route {
    return {
      provider: this.#provider,
      admission: {
        enter: () => {
          this.#choices += choices;
          return {
            release: () => {
              this.#choices -= choices;
            },
          };
        },
      },
      breaker: {
        before: () => 0,
        success: () => {},
        failure: (error) => {
          if (error instanceof InhouseError && BREAKAGES.has(error.code)) this.#brokeAtMs = this.#now();
        },
      },
    };
  }
}

/** Rows that a call takes of an engine; 1 for a request that no provider will take, which nobody has checked yet. */
function choicesOf(request: unknown): number {
  const { n = 1, input } = Object(request) as { readonly n?: unknown; readonly input?: unknown };
  const choices = Array.isArray(input) ? input.length : n;
  return Number.isSafeInteger(choices) ? (choices as number) : 1;
}
