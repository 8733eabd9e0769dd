// Several providers in one: the first that can take a call serves it, so that work spills over from a busy local model
// to a remote one. To the caller, and to governance, it is one call.
import { AbortedError, InhouseError, InvalidInputError } from '../errors.js';
import { completionStream, isUnanswered, leaveStream, unanswered } from './completion-stream.js';
import type {
  CallOptions,
  ChatRequest,
  Completion,
  CompletionChunk,
  CompletionRequest,
  CompletionStream,
  Embedding,
  EmbedRequest,
  GenerationRequest,
  Health,
  ModelDescription,
  Provider,
  Target,
} from './provider.js';

export interface Route {
  readonly provider: Provider;
  /** What to ask it for instead of the request's model: providers name the same model differently. */
  readonly model?: string;
  /** Keeps calls away from a provider that keeps failing. */
  readonly breaker?: RouteBreaker;
  /** Bounds how many calls the provider has at once. */
  readonly admission?: RouteAdmission;
}

/** As governance's `CircuitBreaker`. */
export interface RouteBreaker {
  /** Throws while calls must keep away; else returns the ticket that the outcome is reported with. */
  before(): number;
  success(ticket: number): void;
  failure(error: unknown, ticket: number): void;
}

/** As governance's `Admission`. */
export interface RouteAdmission {
  /** Throws, or rejects, when too many wait already, and rejects when a signal aborts before there is a slot. */
  enter(signal?: AbortSignal, readerLeft?: AbortSignal): RouteSlot | Promise<RouteSlot>;
}

export interface RouteSlot {
  release(): void;
}

/** Why a call goes to the next route. Everything else would fail there too, or has cost something already. */
export const SPILLS: ReadonlySet<string> = new Set([
  'INHOUSE_QUEUE_FULL',
  'INHOUSE_PROVIDER_RATE_LIMITED',
  'INHOUSE_CIRCUIT_OPEN',
  'INHOUSE_CONTEXT_OVERFLOW',
]);

/**
 * Tries the routes in their order and goes on to the next when one is full, has an open circuit, or cannot hold so long
 * a text; a stream only before its first chunk. When none can, the last one's error is thrown. The result names the
 * provider and the model that served the call.
 */
export function router(routes: readonly Route[], name = 'router'): Provider {
  if (routes.length === 0)
    throw new InvalidInputError('INHOUSE_INVALID_OPTION', 'router: pass at least one route.');
  return new Router(name, { routes, targets: routes, order: () => routes, spills: SPILLS });
}

/** What distinguishes one provider of several from another. */
export interface Routing {
  readonly routes: readonly Route[];
  /** Of routes that cost the same, one. */
  readonly targets: readonly Route[];
  /** The routes in the order in which a call tries them. */
  readonly order: (request: GenerationRequest | EmbedRequest) => readonly Route[];
  /** Codes of the failures that lead on to the next route. */
  readonly spills: ReadonlySet<string>;
}

/** Use `router` or `balanced`. */
export class Router implements Provider {
  readonly name: string;
  readonly kind: Provider['kind'];
  readonly capabilities: Provider['capabilities'];
  readonly #routing: Routing;

  constructor(name: string, routing: Routing) {
    const all = (able: (provider: Provider) => boolean) =>
      routing.routes.every(({ provider }) => able(provider));
    this.name = name;
    this.#routing = routing;
    this.kind = all(({ kind }) => kind === 'local') ? 'local' : 'remote';
    this.capabilities = {
      embeddings: all(({ capabilities }) => capabilities.embeddings),
      tokenIds: all(({ capabilities }) => capabilities.tokenIds),
      exactTokenCounts: all(({ capabilities }) => capabilities.exactTokenCounts),
    };
  }

  complete(request: CompletionRequest, call?: CallOptions): Promise<Completion> {
    return this.#first(request, call, (route) =>
      within(route, call, () => route.provider.complete(forRoute(request, route), call)),
    );
  }

  chat(request: ChatRequest, call?: CallOptions): Promise<Completion> {
    return this.#first(request, call, (route) =>
      within(route, call, () => route.provider.chat(forRoute(request, route), call)),
    );
  }

  embed(request: EmbedRequest, call?: CallOptions): Promise<Embedding> {
    return this.#first(request, call, (route) =>
      within(route, call, () => route.provider.embed(forRoute(request, route), call)),
    );
  }

  stream(request: GenerationRequest, call?: CallOptions): CompletionStream {
    return completionStream(async (emit, readerLeft) => {
      const opened = await this.#first(request, call, (route) =>
        open(route, forRoute(request, route), call, readerLeft),
      );
      if (opened === undefined) return unanswered(this.name, request);
      const { stream, chunks, first } = opened;
      for (let next = first; !next.done; next = await chunks.next()) emit(next.value);
      return stream.result;
    });
  }

  /** As the first route counts. */
  countTokens(request: GenerationRequest | EmbedRequest): number {
    const first = this.#routing.routes[0]!;
    return first.provider.countTokens(forRoute(request, first));
  }

  /** Routes that are providers over others stand for theirs. */
  targets(request: GenerationRequest | EmbedRequest): readonly Target[] {
    return this.#routing.targets.flatMap((route) => {
      const { provider } = route;
      const asked = forRoute(request, route);
      return provider.targets?.(asked) ?? { provider, request: asked };
    });
  }

  /** Of the routes that are asked for the request's own model; those that do not answer are left out. */
  async listModels(): Promise<readonly ModelDescription[]> {
    const asked = this.#routing.routes.filter(({ model }) => model === undefined);
    const lists = await Promise.allSettled(asked.map(({ provider }) => provider.listModels()));
    const models = lists.flatMap((list) => (list.status === 'fulfilled' ? list.value : []));
    return models.filter(({ id }, at) => models.findIndex((other) => other.id === id) === at);
  }

  /** One healthy route is enough. */
  async health(): Promise<Health> {
    const all = await Promise.all(this.#routing.routes.map(({ provider }) => provider.health()));
    const latencyMs = Math.max(...all.map((health) => health.latencyMs));
    const problems = all.flatMap(({ problem }) => problem ?? []);
    return all.some(({ ok }) => ok)
      ? { ok: true, latencyMs }
      : { ok: false, latencyMs, problem: problems.join(' ') };
  }

  async #first<T>(
    request: GenerationRequest | EmbedRequest,
    call: CallOptions | undefined,
    attempt: (route: Route) => Promise<T>,
  ): Promise<T> {
    let full: unknown;
    for (const route of this.#routing.order(request)) {
      call?.onTarget?.(route.provider, route.model ?? request.model);
      try {
        return await attempt(route);
      } catch (error) {
        if (!(error instanceof InhouseError && this.#routing.spills.has(error.code))) throw error;
        full = error;
      }
    }
    throw full;
  }
}

interface OpenedStream {
  readonly stream: CompletionStream;
  readonly chunks: AsyncIterator<CompletionChunk>;
  readonly first: IteratorResult<CompletionChunk>;
}

/**
 * Starts a stream and waits for its first chunk. The route is left when the stream is over. Undefined, with nobody asked,
 * when the reader left before.
 */
async function open(
  route: Route,
  request: GenerationRequest,
  call: CallOptions | undefined,
  readerLeft: AbortSignal,
): Promise<OpenedStream | undefined> {
  if (readerLeft.aborted) return undefined;
  const leave = await enter(route, call?.signal, readerLeft).catch((error) => {
    if (!readerLeft.aborted) throw error;
  });
  if (leave === undefined) return undefined;
  if (readerLeft.aborted) {
    leave(unread());
    return undefined;
  }
  const stream = route.provider.stream(request, call);
  stream.result.then((completion) => leave(isUnanswered(completion) ? unread() : undefined), leave);
  const chunks = stream[Symbol.asyncIterator]();
  readerLeft.addEventListener('abort', () => leaveStream(chunks), { once: true });
  return { stream, chunks, first: await chunks.next() };
}

/** Tells a breaker that nothing was learned of its provider. */
function unread(): AbortedError {
  return new AbortedError('INHOUSE_ABORTED', 'The reader left before there was an answer.');
}

async function within<T>(route: Route, call: CallOptions | undefined, work: () => Promise<T>): Promise<T> {
  const leave = await enter(route, call?.signal);
  try {
    const value = await work();
    leave();
    return value;
  } catch (error) {
    leave(error);
    throw error;
  }
}

/** Passes breaker and admission. Returns what must be called at the end, with the error if there was one. */
async function enter(
  { breaker, admission }: Route,
  signal: AbortSignal | undefined,
  readerLeft?: AbortSignal,
): Promise<(error?: unknown) => void> {
  const ticket = breaker?.before() ?? 0;
  try {
    const slot = await admission?.enter(signal, readerLeft);
    return (error) => {
      slot?.release();
      if (error === undefined) breaker?.success(ticket);
      else breaker?.failure(error, ticket);
    };
  } catch (error) {
    breaker?.failure(error, ticket);
    throw error;
  }
}

function forRoute<R extends { readonly model: string }>(request: R, { model }: Route): R {
  return model === undefined ? request : { ...request, model };
}
