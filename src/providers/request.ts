// Checks requests where they enter a provider, so that every provider refuses the same ones with the same errors.
import { InvalidInputError } from '../errors.js';
import { all, checkOptions, invalidOption, type Rule, rule } from '../options.js';
import { type CallOptions, type EmbedRequest, type GenerationRequest, isChat } from './provider.js';

/** Node.js fires a longer one at once. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1;
const ROLES: readonly unknown[] = ['system', 'user', 'assistant'];

const isText = (value: unknown) => typeof value === 'string' && value !== '';
const isTokenId = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0;
const isBias = ([id, bias]: [string, unknown]) =>
  /^\d+$/.test(id) && Number.isFinite(bias) && Math.abs(bias as number) <= 100;

export const SAMPLING_RULES = {
  model: rule.text,
  maxTokens: rule.integer(1),
  temperature: rule.number(0),
  topP: rule.above(0, 1),
  topK: rule.integer(0),
  minP: rule.number(0, 1),
  frequencyPenalty: rule.number(-2, 2),
  presencePenalty: rule.number(-2, 2),
  repetitionPenalty: rule.above(0),
  stop: either('a non-empty string, or several in an array', isText, isText),
  seed: rule.integer(0),
  n: rule.integer(1, 64),
  logitBias: ((value) =>
    typeof value === 'object' && value !== null && Object.entries(value).every(isBias)
      ? undefined
      : 'an object of token id to a number from -100 to 100') as Rule,
  logprobs: rule.integer(0, 20),
};

const COMPLETION_RULES = {
  ...SAMPLING_RULES,
  prompt: either('a string or an array of token ids', (value) => typeof value === 'string', isTokenId),
};

const CHAT_RULES = { ...SAMPLING_RULES, messages: rule.arrayOf('{ role, content } messages', isMessage) };

const EMBED_RULES = {
  model: rule.text,
  input: either('a non-empty string, or several in an array', isText, isText),
};

export const CALL_RULES = {
  signal: rule.signal,
  timeoutMs: rule.above(0, LONGEST_TIMER_MS),
  tenant: rule.text,
  onTarget: rule.function,
};

/** Throws `InvalidInputError` for what no provider can serve: unknown names, impossible values, nothing to continue. */
export function checkGeneration(
  caller: 'complete' | 'chat' | 'stream',
  request: GenerationRequest,
  call: CallOptions | undefined,
): void {
  const input = caller === 'chat' || (caller === 'stream' && isChat(Object(request))) ? 'messages' : 'prompt';
  const rules = input === 'messages' ? CHAT_RULES : COMPLETION_RULES;
  checkRequest(caller, request, rules, input, call);
}

/** As `checkGeneration`. */
export function checkEmbedding(request: EmbedRequest, call: CallOptions | undefined): void {
  checkRequest('embed', request, EMBED_RULES, 'input', call);
}

function checkRequest(
  caller: string,
  request: unknown,
  rules: Readonly<Record<string, Rule>>,
  input: string,
  call: CallOptions | undefined,
): void {
  checkOptions(caller, request, rules);
  checkOptions(caller, call, CALL_RULES);
  const given = (request ?? {}) as Readonly<Record<string, unknown>>;
  for (const name of ['model', input]) {
    if (given[name] === undefined) throw invalidOption(caller, name, undefined, 'given');
  }
  if ((given[input] as { readonly length: number }).length === 0)
    throw new InvalidInputError('INHOUSE_EMPTY_PROMPT', `${caller}: ${input} is empty.`);
}

/** One value, or an array of them. */
function either(
  expected: string,
  one: (value: unknown) => boolean,
  each: (element: unknown) => boolean,
): Rule {
  return (value) => ((Array.isArray(value) ? all(value, each) : one(value)) ? undefined : expected);
}

function isMessage(value: unknown): boolean {
  const { role, content } = (value ?? {}) as { readonly role?: unknown; readonly content?: unknown };
  return ROLES.includes(role) && typeof content === 'string';
}
