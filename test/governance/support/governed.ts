// Governed providers for tests: over a stub that counts what reaches it, with time and telemetry in the test's hand.
import { type GovernedProvider, govern } from '#inhouse/governance/governed-provider.js';
import type { GovernOptions } from '#inhouse/governance/options.js';
import type { CallOptions, GenerationRequest, Provider } from '#inhouse/providers/provider.js';
import { type StubOptions, stub } from '#inhouse/providers/stub.js';
import { FakeClock } from '../../support/fake-clock.js';
import { type Tracing, tracing } from '../../support/tracing.js';

/** Priced as gpt2: 0.01 USD per million tokens read, 0.02 per million written. A token is four characters. */
export const REQUEST = { model: 'gpt2', prompt: 'word'.repeat(10), maxTokens: 10 } as const;
/** What REQUEST costs, and what is reserved for it: 10 tokens read, 10 written. */
export const COST = (10 * 0.01 + 10 * 0.02) / 1e6;

export interface Spied {
  readonly provider: Provider;
  /** What reached the provider. */
  readonly served: { readonly request: GenerationRequest; readonly call: CallOptions | undefined }[];
  counted: number;
}

/** The provider, with a record of what it was asked. */
export function spy(inner: Provider): Spied {
  const spied: Spied = { provider: inner, served: [], counted: 0 };
  const noted = <R extends GenerationRequest>(request: R, call: CallOptions | undefined) => {
    spied.served.push({ request, call });
    return [request, call] as const;
  };
  const provider: Provider = {
    name: inner.name,
    kind: inner.kind,
    capabilities: inner.capabilities,
    complete: (request, call) => inner.complete(...noted(request, call)),
    chat: (request, call) => inner.chat(...noted(request, call)),
    stream: (request, call) => inner.stream(...noted(request, call)),
    embed: (request, call) => inner.embed(request, call),
    countTokens(request) {
      spied.counted++;
      return inner.countTokens(request);
    },
    listModels: () => inner.listModels(),
    health: () => inner.health(),
  };
  return Object.assign(spied, { provider });
}

export interface Bench extends Spied {
  readonly governed: GovernedProvider;
  readonly clock: FakeClock;
  readonly trace: Tracing;
  /** Milliseconds waited before retries. */
  readonly waits: number[];
}

export function bench(options: GovernOptions = {}, stubOptions: StubOptions = {}): Bench {
  const clock = new FakeClock();
  const trace = tracing();
  const waits: number[] = [];
  const spied = spy(stub({ name: 'gpt2', text: 'word'.repeat(10), ...stubOptions }));
  const governed = govern(spied.provider, {
    clock,
    tracerProvider: trace.provider,
    sleep: async (ms) => {
      waits.push(ms);
      clock.advance(ms);
    },
    ...options,
  });
  return Object.assign(spied, { governed, clock, trace, waits });
}

/** What a call rejects with. */
export async function rejection(call: Promise<unknown>): Promise<Error> {
  return call.then(
    (value) => {
      throw new Error(`resolved with ${JSON.stringify(value)}`);
    },
    (error: Error) => error,
  );
}

/** Everything a call held is given back. */
export function nothingHeld({ governed }: Pick<Bench, 'governed'>): boolean {
  const { admission } = governed.status();
  const reserved = governed
    .budgetStatus()
    .budgets.flatMap(({ periods }) => periods.map(({ reservedUsd }) => reservedUsd));
  return admission.running === 0 && admission.queueDepth === 0 && reserved.every((usd) => usd === 0);
}
