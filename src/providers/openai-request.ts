// A request in the words of OpenAI's HTTP API, and of vLLM where that goes further.
import { type CallOptions, type EmbedRequest, type GenerationRequest, isChat } from './provider.js';

export type WireBody = Readonly<Record<string, unknown>>;

/** Our names and the wire's. */
export const SETTINGS = [
  ['maxTokens', 'max_tokens'],
  ['temperature', 'temperature'],
  ['topP', 'top_p'],
  ['frequencyPenalty', 'frequency_penalty'],
  ['presencePenalty', 'presence_penalty'],
  ['stop', 'stop'],
  ['seed', 'seed'],
  ['n', 'n'],
  ['logitBias', 'logit_bias'],
  // Beyond OpenAI's own API
  ['topK', 'top_k'],
  ['minP', 'min_p'],
  ['repetitionPenalty', 'repetition_penalty'],
] as const;

export interface WireOptions {
  readonly stream: boolean;
  /** Name of the field that keeps tenants apart, for servers that have one. */
  readonly tenantField: string | undefined;
}

export function generationBody(
  request: GenerationRequest,
  call: CallOptions | undefined,
  { stream, tenantField }: WireOptions,
): WireBody {
  const body: Record<string, unknown> = isChat(request)
    ? { model: request.model, messages: request.messages }
    : { model: request.model, prompt: request.prompt };
  for (const [ours, theirs] of SETTINGS) {
    if (request[ours] !== undefined) body[theirs] = request[ours];
  }
  if (request.logprobs !== undefined && isChat(request)) {
    body.logprobs = true;
    body.top_logprobs = request.logprobs;
  } else if (request.logprobs !== undefined) body.logprobs = request.logprobs;
  if (stream) {
    body.stream = true;
    body.stream_options = { include_usage: true };
  }
  if (tenantField !== undefined && call?.tenant !== undefined) body[tenantField] = call.tenant;
  return body;
}

export function embedBody({ model, input }: EmbedRequest): WireBody {
  return { model, input, encoding_format: 'float' };
}
