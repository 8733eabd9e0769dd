// A request in the words of OpenAI's HTTP API as one of ours: the way back of openai-request.ts.
import { InvalidInputError } from '../errors.js';
import { SETTINGS, type WireBody } from './openai-request.js';
import type { EmbedRequest, GenerationRequest } from './provider.js';

/** Whom a call is for, by GenOps' names: no setting of the model, but the call's attributes. */
const ATTRIBUTES = [
  'team',
  'project',
  'environment',
  'customer_id',
  'customer',
  'cost_center',
  'feature',
  'user_id',
  'experiment_id',
] as const;

export type IncomingRequest = (
  | { readonly kind: 'chat' | 'text'; readonly request: GenerationRequest; readonly stream: boolean }
  | { readonly kind: 'embedding'; readonly request: EmbedRequest; readonly base64: boolean }
) & {
  /** Undefined where there are none. */
  readonly attributes: Readonly<Record<string, unknown>> | undefined;
};

/**
 * @param path after the version, such as '/chat/completions'
 * @throws InvalidInputError for a path or a setting that has no counterpart; values are checked by who serves them
 */
export function incomingRequest(path: string, body: WireBody): IncomingRequest {
  const given = new Fields(body);
  const attributes = given.takeAll(ATTRIBUTES.map((name) => [name, name]));
  const user = given.take('user');
  if (user !== undefined) attributes.user_id ??= user;
  const incoming = requestOf(path, given);
  given.refuseRest();
  return { ...incoming, attributes: Object.keys(attributes).length > 0 ? attributes : undefined };
}

function requestOf(path: string, given: Fields) {
  const model = given.take('model');
  if (path === '/embeddings') {
    const base64 = given.take('encoding_format') === 'base64';
    const request = { model, input: given.take('input') } as EmbedRequest;
    return { kind: 'embedding', request, base64 } as const;
  }
  const kind = KINDS[path];
  if (kind === undefined) throw refused(`${path} is not served.`, path);
  const maxTokens = given.take('max_completion_tokens');
  const settings = given.takeAll(SETTINGS.map(([ours, theirs]) => [theirs, ours]));
  const stream = given.take('stream') === true;
  given.take('stream_options');
  const logprobs = given.take('logprobs');
  const request: Record<string, unknown> = { model, maxTokens, ...settings };
  if (kind === 'chat') {
    const top = given.take('top_logprobs');
    if (logprobs === true) request.logprobs = top ?? 0;
    request.messages = asArray(given.take('messages')).map(messageOf);
  } else {
    request.logprobs = logprobs;
    request.prompt = given.take('prompt');
  }
  return { kind, request: request as unknown as GenerationRequest, stream } as const;
}

const KINDS: Readonly<Record<string, 'chat' | 'text'>> = {
  '/chat/completions': 'chat',
  '/completions': 'text',
};

/** A developer's word is the system's; texts in parts are one text. What is neither is refused where it is checked. */
function messageOf(message: unknown): unknown {
  const { role, content } = (message ?? {}) as { readonly role?: unknown; readonly content?: unknown };
  const parts = Array.isArray(content)
    ? (content as { readonly type?: string; readonly text?: string }[])
    : [];
  const isText = parts.length > 0 && parts.every((part) => part?.type === 'text');
  return {
    role: role === 'developer' ? 'system' : role,
    content: isText ? parts.map(({ text }) => text).join('') : content,
  };
}

function asArray(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The fields of a body, each taken once. Null is absent. */
class Fields {
  readonly #left: Map<string, unknown>;

  constructor(body: WireBody) {
    this.#left = new Map(Object.entries(body).filter(([, value]) => value !== null && value !== undefined));
  }

  take(name: string): unknown {
    const value = this.#left.get(name);
    this.#left.delete(name);
    return value;
  }

  /** Those that are there, under their new names. */
  takeAll(names: readonly (readonly [from: string, to: string])[]): Record<string, unknown> {
    const taken: Record<string, unknown> = {};
    for (const [from, to] of names) {
      const value = this.take(from);
      if (value !== undefined) taken[to] = value;
    }
    return taken;
  }

  refuseRest(): void {
    const [name] = this.#left.keys();
    if (name !== undefined) throw refused(`"${name}" is not supported.`, name);
  }
}

function refused(message: string, option: string): InvalidInputError {
  return new InvalidInputError('INHOUSE_UNKNOWN_OPTION', `OpenAI request: ${message}`, {
    details: { option },
  });
}
