// Sessions: groups of calls with totals of their own, such as one conversation or one batch.
// A call opts in by naming a session's id; sessions nest and overlap freely, for each only counts what named it.
import { randomUUID } from 'node:crypto';
import { SessionError } from '../errors.js';
import { checkOptions, rule } from '../options.js';
import type { Clock } from './clock.js';
import { requireUsd, UsdSum } from './usd.js';

export interface SessionOptions {
  /** Default `session-<uuid>`. */
  readonly id?: string | undefined;
  /** Default the id. */
  readonly name?: string | undefined;
  /** What calls of the session are attributed to, besides their own attributes. */
  readonly attributes?: Readonly<Record<string, unknown>> | undefined;
}

/** One call, as a session counts it. */
export interface SessionOperation {
  readonly costUsd: number;
  readonly model: string;
  readonly totalTokens: number;
  /** Kept among the session's latest results. */
  readonly result?: unknown;
}

export interface ModelTotals {
  readonly operations: number;
  readonly costUsd: number;
  readonly totalTokens: number;
}

export interface Session {
  readonly sessionId: string;
  readonly sessionName: string;
  /** Milliseconds since the epoch. */
  readonly startTime: number;
  /** Null while the session is open. */
  readonly endTime: number | null;
  readonly totalOperations: number;
  /** USD. */
  readonly totalCost: number;
  readonly totalTokens: number;
  readonly models: ReadonlyMap<string, ModelTotals>;
  readonly governanceAttributes: Readonly<Record<string, unknown>>;
  /** The latest results, oldest first. */
  readonly results: readonly unknown[];
}

export interface SessionsOptions {
  /** How many of its latest results a session keeps; totals are complete whatever it is. Default 100. */
  readonly keepResults?: number | undefined;
  /** Called with each session that ended. */
  readonly onEnd?: ((session: Session) => void) | undefined;
}

const SESSIONS_RULES = { keepResults: rule.integer(0), onEnd: rule.function };
const SESSION_RULES = { id: rule.text, name: rule.text, attributes: rule.object };

class LiveSession implements Session {
  endTime: number | null = null;
  totalOperations = 0;
  totalTokens = 0;
  readonly models = new Map<string, ModelTotals>();
  readonly #cost = new UsdSum();
  readonly #results: unknown[] = [];

  constructor(
    readonly sessionId: string,
    readonly sessionName: string,
    readonly startTime: number,
    readonly governanceAttributes: Readonly<Record<string, unknown>>,
    readonly keepResults: number,
  ) {}

  get totalCost(): number {
    return this.#cost.value;
  }

  get results(): readonly unknown[] {
    return this.keepResults === 0 ? [] : this.#results.slice(-this.keepResults);
  }

  count(operation: SessionOperation): void {
    const { costUsd, model, totalTokens, result } = operation;
    this.totalOperations++;
    this.totalTokens += totalTokens;
    this.#cost.add(costUsd);
    const soFar = this.models.get(model);
    this.models.set(model, {
      operations: (soFar?.operations ?? 0) + 1,
      costUsd: (soFar?.costUsd ?? 0) + costUsd,
      totalTokens: (soFar?.totalTokens ?? 0) + totalTokens,
    });
    if (result === undefined || this.keepResults === 0) return;
    this.#results.push(result);
    // Dropping in bulk keeps a call cheap.
    if (this.#results.length >= 2 * this.keepResults) this.#results.splice(0, this.keepResults);
  }
}

export class Sessions {
  readonly #clock: Clock;
  readonly #keepResults: number;
  readonly #onEnd: ((session: Session) => void) | undefined;
  readonly #open = new Map<string, LiveSession>();

  /** @throws InvalidInputError for an option that is unknown or cannot be meant */
  constructor(clock: Clock, options: SessionsOptions = {}) {
    checkOptions('sessions', options, SESSIONS_RULES);
    this.#clock = clock;
    this.#keepResults = options.keepResults ?? 100;
    this.#onEnd = options.onEnd;
  }

  /** The open sessions. */
  get size(): number {
    return this.#open.size;
  }

  get(sessionId: string): Session | undefined {
    return this.#open.get(sessionId);
  }

  /**
   * @throws SessionError `INHOUSE_SESSION_OPEN` when a session of that id is open; InvalidInputError for an option that is
   * unknown or cannot be meant
   */
  start(options: SessionOptions = {}): Session {
    checkOptions('session', options, SESSION_RULES);
    const id = options.id ?? `session-${randomUUID()}`;
    if (this.#open.has(id)) {
      throw new SessionError(
        'INHOUSE_SESSION_OPEN',
        `A session with the id ${JSON.stringify(id)} is open; end it first, or take another id.`,
      );
    }
    const name = options.name ?? id;
    const attributes = Object.freeze({ ...options.attributes, session_name: name });
    const session = new LiveSession(id, name, this.#clock.now(), attributes, this.#keepResults);
    this.#open.set(id, session);
    return session;
  }

  /**
   * Counts a call. False, and nothing counted, when no such session is open.
   * @throws InvalidInputError for a cost that is negative or not finite
   */
  record(sessionId: string, operation: SessionOperation): boolean {
    const session = this.#open.get(sessionId);
    if (!session) return false;
    requireUsd('session', 'costUsd', operation.costUsd);
    session.count(operation);
    return true;
  }

  /** Closes the session and returns it; undefined when no such session is open. */
  end(sessionId: string): Session | undefined {
    const session = this.#open.get(sessionId);
    if (!session) return undefined;
    this.#open.delete(sessionId);
    session.endTime = this.#clock.now();
    this.#onEnd?.(session);
    return session;
  }

  /** Runs `body` in a session of its own, which ends with it, also when it throws. */
  async track<T>(options: SessionOptions, body: (session: Session) => T | Promise<T>): Promise<T> {
    const session = this.start(options);
    try {
      return await body(session);
    } finally {
      this.end(session.sessionId);
    }
  }
}
