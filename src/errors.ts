// Every error this package throws on purpose: one catalogue of stable codes, a few classes that group them.
// It does not format stack traces or decide retries; callers read `code`, `status` and `retryable`.

interface ErrorFacts {
  /** The HTTP status a server should answer with. */
  readonly status: number;
  /** True when the same call may succeed later without being changed. */
  readonly retryable: boolean;
}

const invalid: ErrorFacts = { status: 400, retryable: false };
const notFound: ErrorFacts = { status: 404, retryable: false };
const broken: ErrorFacts = { status: 422, retryable: false };
const internal: ErrorFacts = { status: 500, retryable: false };
const transient: ErrorFacts = { status: 503, retryable: true };

/** Facts by code. `docs/errors.md` says of each what it means and what to do; a test keeps the two equal. */
export const ERROR_CATALOGUE = {
  // Input to the public API
  INHOUSE_UNKNOWN_OPTION: invalid,
  INHOUSE_INVALID_OPTION: invalid,
  INHOUSE_PACKAGE_MISSING: internal,
  INHOUSE_EMPTY_PROMPT: invalid,
  INHOUSE_INVALID_TEXT: invalid,
  INHOUSE_INVALID_TOKEN: invalid,
  INHOUSE_CONTEXT_OVERFLOW: { status: 413, retryable: false },
  // The engine
  INHOUSE_DUPLICATE_ID: { status: 409, retryable: false },
  INHOUSE_KV_LIMIT: { status: 413, retryable: false },
  INHOUSE_QUEUE_FULL: { status: 429, retryable: true },
  INHOUSE_TIMEOUT: { status: 504, retryable: true },
  INHOUSE_INTERNAL: internal,
  // Checkpoints
  INHOUSE_MODEL_UNKNOWN: notFound,
  INHOUSE_CHECKPOINT_UNREADABLE: notFound,
  INHOUSE_CHECKPOINT_FILE_MISSING: notFound,
  INHOUSE_CONFIG_INVALID: broken,
  INHOUSE_CONFIG_UNSUPPORTED: broken,
  INHOUSE_SAFETENSORS_TRUNCATED: broken,
  INHOUSE_SAFETENSORS_HEADER: broken,
  INHOUSE_SAFETENSORS_OFFSETS: broken,
  INHOUSE_SAFETENSORS_INDEX: broken,
  INHOUSE_TENSOR_DUPLICATE: broken,
  INHOUSE_TENSOR_MISSING: broken,
  INHOUSE_TENSOR_UNEXPECTED: broken,
  INHOUSE_TENSOR_SHAPE: broken,
  INHOUSE_TENSOR_DTYPE: broken,
  INHOUSE_TENSOR_NOT_FINITE: broken,
  INHOUSE_TENSOR_OVERFLOW: broken,
  INHOUSE_TOKENIZER_MISSING: notFound,
  INHOUSE_TOKENIZER_INVALID: broken,
  // The Hugging Face hub
  INHOUSE_HUB_OFFLINE: { status: 503, retryable: false },
  INHOUSE_HUB_UNREACHABLE: transient,
  INHOUSE_HUB_UNAUTHORIZED: { status: 401, retryable: false },
  INHOUSE_HUB_NOT_FOUND: notFound,
  INHOUSE_HUB_RATE_LIMITED: { status: 429, retryable: true },
  INHOUSE_HUB_INTEGRITY: { status: 502, retryable: true },
  INHOUSE_HUB_FAILED: { status: 502, retryable: true },
  // Artefacts and disk
  INHOUSE_CACHE_WRITE: { status: 507, retryable: false },
  INHOUSE_QUANTIZE_FAILED: internal,
  // The runner and the model's life
  INHOUSE_RUNTIME_LOAD: internal,
  INHOUSE_RUNTIME_STEP: internal,
  INHOUSE_ROW_INVALID: invalid,
  INHOUSE_ROW_FULL: { status: 413, retryable: false },
  INHOUSE_DISPOSED: { status: 409, retryable: false },
  // Providers
  INHOUSE_MODEL_NOT_SERVED: notFound,
  INHOUSE_ABORTED: { status: 499, retryable: false },
  INHOUSE_PROVIDER_UNREACHABLE: transient,
  INHOUSE_PROVIDER_DISCONNECTED: { status: 502, retryable: true },
  INHOUSE_PROVIDER_UNAUTHORIZED: { status: 401, retryable: false },
  INHOUSE_PROVIDER_REJECTED: invalid,
  INHOUSE_PROVIDER_RATE_LIMITED: { status: 429, retryable: true },
  INHOUSE_PROVIDER_FAILED: { status: 502, retryable: true },
  INHOUSE_PROVIDER_MALFORMED: { status: 502, retryable: false },
  INHOUSE_PROVIDER_TOO_LARGE: { status: 502, retryable: false },
  // Governance: tags and policies
  INHOUSE_TAG_REFUSED: invalid,
  INHOUSE_POLICY_BLOCKED: { status: 403, retryable: false },
  INHOUSE_POLICY_MODEL_DENIED: invalid,
  INHOUSE_POLICY_RATE_LIMITED: { status: 429, retryable: true },
  // Governance: budgets, resilience, sessions, ledger
  INHOUSE_BUDGET_EXCEEDED: { status: 402, retryable: false },
  INHOUSE_CIRCUIT_OPEN: transient,
  INHOUSE_SESSION_OPEN: { status: 409, retryable: false },
  INHOUSE_LEDGER_LOCKED: transient,
  INHOUSE_LEDGER_CORRUPT: broken,
  INHOUSE_LEDGER_FAILED: { status: 507, retryable: true },
  INHOUSE_LEDGER_COUNTED: { status: 409, retryable: false },
} as const satisfies Record<string, ErrorFacts>;

export type ErrorCode = keyof typeof ERROR_CATALOGUE;

interface ErrorOptions {
  readonly cause?: unknown;
  /** Machine-readable facts behind the message, such as the limit and the value that broke it. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/** On a class: its name. On its instances: the names they answer to. Registered symbols, so that copies agree. */
const BRAND = Symbol.for('inhouse.error.class');
const BRANDS = Symbol.for('inhouse.error.classes');

/** Base of all errors of this package. `instanceof` also holds across duplicate copies of the package. */
export class InhouseError extends Error {
  readonly code: ErrorCode;
  readonly status: number;
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.status = ERROR_CATALOGUE[code].status;
    this.retryable = ERROR_CATALOGUE[code].retryable;
    this.details = options.details ?? {};
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    const asked = this as unknown as { readonly prototype: object; readonly [BRAND]?: string };
    if (!Object.hasOwn(asked, BRAND))
      return Object.prototype.isPrototypeOf.call(asked.prototype, value as object);
    const names = (value as { readonly [BRANDS]?: readonly string[] } | null | undefined)?.[BRANDS];
    return names?.includes(asked[BRAND] as string) ?? false;
  }
}

/** The caller passed something that cannot be served; nothing was done. */
export class InvalidInputError extends InhouseError {}
/** A checkpoint folder, its config, weights or tokenizer cannot be used. */
export class CheckpointError extends InhouseError {}
/** Fetching a model from the Hugging Face hub failed. */
export class HubError extends InhouseError {}
/** A derived file could not be written or read. */
export class ArtefactError extends InhouseError {}
/** ONNX Runtime, or the runner around it, refused or failed. */
export class RunnerError extends InhouseError {}
/** Too many wait already. `details` says how many, how many may, and `retryAfterSeconds`. */
export class QueueFullError extends InhouseError {}
/** A call took longer than it may. */
export class TimeoutError extends InhouseError {}
/** The model was disposed. */
export class DisposedError extends InhouseError {}
/** The provider does not serve the model that was asked for. */
export class ModelUnavailableError extends InhouseError {}
/** The caller's signal aborted the call. `details.usage`: the tokens spent by then, where known. */
export class AbortedError extends InhouseError {}
/** A remote provider failed. `details.httpStatus` and `details.retryAfterSeconds`, where it sent them. */
export class ProviderError extends InhouseError {}
/** The attributes of a call break a rule that stops calls. `details.violations` and `details.warnings`: `TagFinding`s. */
export class TagValidationError extends InhouseError {}
/** A policy refused the call before any work. `details`: the `PolicyDecision`. */
export class PolicyViolationError extends InhouseError {}
/** A budget has no room for the call; nothing was computed. `details`: the `BudgetDenial`. */
export class BudgetExceededError extends InhouseError {}
/** Too many calls in a row failed: none is tried for a while. `details.retryAfterSeconds`: how long. */
export class CircuitOpenError extends InhouseError {}
/** A session cannot be opened. */
export class SessionError extends InhouseError {}
/** The record of costs on disk cannot be opened, read, written, or counted in. */
export class LedgerError extends InhouseError {}

// Names are spelled out because a bundler may rename classes.
brand({
  InhouseError,
  InvalidInputError,
  CheckpointError,
  HubError,
  ArtefactError,
  RunnerError,
  QueueFullError,
  TimeoutError,
  DisposedError,
  ModelUnavailableError,
  AbortedError,
  ProviderError,
  TagValidationError,
  PolicyViolationError,
  BudgetExceededError,
  CircuitOpenError,
  SessionError,
  LedgerError,
});

function brand(classes: Readonly<Record<string, { readonly prototype: object }>>): void {
  for (const [name, errorClass] of Object.entries(classes)) {
    Object.defineProperty(errorClass, BRAND, { value: name });
    Object.defineProperty(errorClass.prototype, BRANDS, { value: ['InhouseError', name] });
    Object.defineProperty(errorClass.prototype, 'name', { value: name, configurable: true, writable: true });
  }
}
