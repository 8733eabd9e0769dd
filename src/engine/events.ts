// What an engine tells a listener while it works, and a way to tell it that no listener can break.
import type { Timings } from './request.js';
import type { FinishReason } from './sequence.js';

/** `id` is the request's; `index` says which of its choices. Times in milliseconds. */
export type EngineEvent =
  | { readonly type: 'queued'; readonly id: string; readonly choices: number; readonly waiting: number }
  | { readonly type: 'refused'; readonly id: string; readonly error: unknown }
  | {
      readonly type: 'admitted';
      readonly id: string;
      readonly index: number;
      /** Tokens to have in its row, and how many of them were copied from another. */
      readonly promptTokens: number;
      readonly cachedTokens: number;
    }
  | {
      readonly type: 'preempted';
      readonly id: string;
      readonly index: number;
      readonly reason: PreemptionReason;
    }
  | {
      readonly type: 'step';
      readonly decodeRows: number;
      readonly decodeSteps: number;
      readonly promptTokens: number;
      readonly stepMs: number;
      /** Of it, spent on deciding what to compute. */
      readonly schedulerMs: number;
    }
  | {
      readonly type: 'finished';
      readonly id: string;
      readonly finishReasons: readonly FinishReason[];
      readonly promptTokens: number;
      readonly completionTokens: number;
      readonly timings: Timings;
    }
  | { readonly type: 'failed'; readonly id: string; readonly error: unknown };

/** 'memory': KV memory ran short. 'context': its context was full, and it goes on from its younger half. */
export type PreemptionReason = 'memory' | 'context';

export type EventListener = (event: EngineEvent) => void;

/** Calls the listener; what it throws, or rejects with, becomes a warning, once. */
export function guarded(listener: EventListener): EventListener {
  let warned = false;
  const warn = (error: unknown) => {
    if (warned) return;
    warned = true;
    process.emitWarning(`onEvent failed: ${error instanceof Error ? error.message : String(error)}`, {
      type: 'InhouseWarning',
      code: 'INHOUSE_EVENT_LISTENER',
    });
  };
  return (event) => {
    try {
      const returned: unknown = listener(event);
      if (returned instanceof Promise) returned.catch(warn);
    } catch (error) {
      warn(error);
    }
  };
}
