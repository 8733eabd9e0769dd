// Remote providers by name: where they are, which variable holds their key, which models they list.
// Prices are governance's business.
import { type OpenAiCompatibleOptions, openAiCompatible } from './openai-compatible.js';
import type { ModelDescription, Provider } from './provider.js';

/** What a preset lets you change. */
export type PresetOptions = Partial<Omit<OpenAiCompatibleOptions, 'name' | 'catalogue'>>;

/** Anyscale Endpoints' models, as of January 2026. */
export const ANYSCALE_MODELS: readonly ModelDescription[] = [
  ...chat(4_096, [
    'meta-llama/Llama-2-70b-chat-hf',
    'meta-llama/Llama-2-13b-chat-hf',
    'meta-llama/Llama-2-7b-chat-hf',
  ]),
  ...chat(8_192, [
    'meta-llama/Meta-Llama-3-70B-Instruct',
    'meta-llama/Meta-Llama-3-8B-Instruct',
    'mistralai/Mistral-7B-Instruct-v0.1',
  ]),
  ...chat(32_768, ['mistralai/Mixtral-8x7B-Instruct-v0.1']),
  ...chat(65_536, ['mistralai/Mixtral-8x22B-Instruct-v0.1']),
  ...chat(16_384, ['codellama/CodeLlama-34b-Instruct-hf', 'codellama/CodeLlama-70b-Instruct-hf']),
  { id: 'thenlper/gte-large', use: 'embedding' },
  { id: 'BAAI/bge-large-en-v1.5', use: 'embedding' },
];

/** Together's models, as of January 2026. */
export const TOGETHER_MODELS: readonly ModelDescription[] = [
  ...chat(131_072, [
    'meta-llama/Meta-Llama-3.1-8B-Instruct-Turbo',
    'meta-llama/Meta-Llama-3.1-70B-Instruct-Turbo',
    'meta-llama/Meta-Llama-3.1-405B-Instruct-Turbo',
    'meta-llama/Llama-Vision-Free',
  ]),
  ...chat(65_536, [
    'deepseek-ai/DeepSeek-R1',
    'deepseek-ai/DeepSeek-Coder-V2-Instruct',
    'mistralai/Mixtral-8x22B-Instruct-v0.1',
  ]),
  ...chat(32_768, [
    'deepseek-ai/DeepSeek-R1-Distill-Llama-8B',
    'Qwen/Qwen2.5-VL-72B-Instruct',
    'Qwen/Qwen2.5-Coder-32B-Instruct',
    'mistralai/Mixtral-8x7B-Instruct-v0.1',
  ]),
];

/** A vLLM server, by default the one on this machine. Serves what it was started with; tenants' caches are salted. */
export function vllm(options: PresetOptions = {}): Provider {
  return openAiCompatible({
    baseUrl: 'http://localhost:8000/v1',
    apiKeyVariable: 'VLLM_API_KEY',
    tenantField: 'cache_salt',
    ...options,
    name: 'vllm',
  });
}

export function anyscale(options: PresetOptions = {}): Provider {
  return openAiCompatible({
    baseUrl: 'https://api.endpoints.anyscale.com/v1',
    apiKeyVariable: 'ANYSCALE_API_KEY',
    ...options,
    name: 'anyscale',
    catalogue: ANYSCALE_MODELS,
  });
}

export function together(options: PresetOptions = {}): Provider {
  return openAiCompatible({
    baseUrl: 'https://api.together.xyz/v1',
    apiKeyVariable: 'TOGETHER_API_KEY',
    ...options,
    name: 'together',
    catalogue: TOGETHER_MODELS,
  });
}

function chat(contextLength: number, ids: readonly string[]): ModelDescription[] {
  return ids.map((id) => ({ id, use: 'chat', contextLength }));
}
