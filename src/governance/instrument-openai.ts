// Governance for programs that were written for the official `openai` client: those of its clients that are addressed to
// this process get their answers here, with no change where they are called.
import { type Instrumentation, replaceMethods } from './instrument.js';

/** The client's class, as far as it is used: the one method through which each of its requests goes. */
export interface OpenAiClass {
  readonly prototype: {
    fetchWithTimeout(
      url: string,
      init: RequestInit | undefined,
      timeoutMs: number,
      controller: AbortController,
    ): Promise<Response>;
  };
}

export interface OpenAiInstrumentationOptions {
  /** Clients whose `baseURL` begins so are answered here, all others by whom they address. Default 'inhouse:'. */
  readonly baseUrl?: string;
}

/**
 * Lets `fetch`, such as `openAiFetch(governed)`, answer the clients of `OpenAI` whose base URL is ours. There is no way from
 * there to a server: what governance refuses stays refused.
 */
export function openAiInstrumentation(
  OpenAI: OpenAiClass,
  fetch: typeof globalThis.fetch,
  { baseUrl = 'inhouse:' }: OpenAiInstrumentationOptions = {},
): Instrumentation {
  return {
    name: 'openai',
    description: `The official openai client, where its base URL begins with ${baseUrl}`,
    capabilities: [
      'openai_compatible_api',
      'chat_completions',
      'embeddings',
      'cost_tracking',
      'governance_attribution',
    ],
    available: () => typeof OpenAI.prototype.fetchWithTimeout === 'function',
    patch() {
      const original = OpenAI.prototype.fetchWithTimeout;
      return replaceMethods(OpenAI.prototype, {
        async fetchWithTimeout(url, init, timeoutMs, controller) {
          if (!url.startsWith(baseUrl)) return original.call(this, url, init, timeoutMs, controller);
          const abort = () => controller.abort();
          init?.signal?.addEventListener('abort', abort, { once: true });
          const timer = setTimeout(abort, timeoutMs); // until the answer begins
          try {
            return await fetch(url, { ...init, signal: controller.signal });
          } finally {
            clearTimeout(timer);
          }
        },
      });
    },
  };
}
