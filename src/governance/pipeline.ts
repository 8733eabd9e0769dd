// The way of a governed call, in one place:
//
//   attributes -> tags -> breaker -> policies -> estimate -> reservation -> retry { admission -> provider }
//   -> settlement -> session, totals, ledger -> span, metrics, audit -> result
//
// The breaker comes before whatever counts tokens: an open circuit costs nothing. Whatever stops a call, it ends in
// `fail`, which settles or gives back what the call held.
import { leaveStream, unanswered } from '../providers/completion-stream.js';
import type { Completion, CompletionChunk, Embedding, GenerationRequest } from '../providers/provider.js';
import { checkCall } from './call-check.js';
import type { GovernedCallOptions, GovernedMethod, GovernedRequest } from './call-facts.js';
import type { GovernanceReport } from './governance-report.js';
import { GovernedCall } from './governed-call.js';
import type { GovernanceParts } from './parts.js';

export type Governed<Result> = Result & { readonly governance: GovernanceReport };

/** Asks the provider once. */
export type Attempt<Result> = (call: GovernedCall) => Promise<Result>;

/** A piece of an answer, and what the call has cost with it. */
export interface GovernedChunk extends CompletionChunk {
  /** USD, failed attempts included. The whole cost is in the result. */
  readonly costUsd: number;
}

/**
 * Runs one call through everything. Rejects with what stopped it, after everything has been told. When `readerLeft` aborts,
 * nothing is waited for any more: `attempt` may be asked at once, without a place, and must then ask nobody.
 */
export async function runGoverned<Result extends Completion | Embedding>(
  parts: GovernanceParts,
  method: GovernedMethod,
  request: GovernedRequest,
  options: GovernedCallOptions | undefined,
  attempt: Attempt<Result>,
  readerLeft?: AbortSignal,
): Promise<Governed<Result>> {
  checkCall(parts, method, request, options);
  const call = new GovernedCall(parts, method, request, options, readerLeft);
  const { attempts, decisions } = call;
  try {
    decisions.checkTags();
    call.passBreaker();
    decisions.applyPolicies();
    decisions.checkPrice();
    call.reserve();
    let result: Result;
    try {
      result = await attempts.ask(1, attempt);
    } catch (error) {
      result = await attempts.retry(error, attempt);
    }
    decisions.checkOutput(result);
    return call.succeed(result);
  } catch (error) {
    call.fail(error);
    throw error;
  }
}

/** As `attempt` of `runGoverned` for a stream: passes chunks on, and ends it where its money ends. */
export async function streamAttempt(
  parts: GovernanceParts,
  call: GovernedCall,
  request: GenerationRequest,
  emit: (chunk: GovernedChunk) => void,
  readerLeft: AbortSignal,
): Promise<Completion> {
  if (readerLeft.aborted) return unanswered(parts.provider.name, request);
  const stream = parts.provider.stream(request, call.providerOptions);
  const chunks = stream[Symbol.asyncIterator]();
  const leave = () => void leaveStream(chunks);
  readerLeft.addEventListener('abort', leave, { once: true });
  let givenUp = false;
  call.attempts.giveUp = () => {
    givenUp = true;
    leave();
  };
  const shown: number[] = []; // characters, by choice
  let spent = false;
  let costUsd = 0;
  for await (const chunk of { [Symbol.asyncIterator]: () => chunks }) {
    if (givenUp) break;
    costUsd = call.noteChunk(chunk);
    emit({ ...chunk, costUsd });
    shown[chunk.index] = (shown[chunk.index] ?? 0) + chunk.text.length;
    spent = call.isSpent(chunk, costUsd);
    if (spent) break; // which ends the stream
  }
  const completion = await stream.result;
  if (!spent) return completion;
  const cut = cutByBudget(completion);
  for (const { index, text, finishReason } of cut.choices) {
    if (finishReason !== 'budget') continue;
    emit({ index, text: text.slice(shown[index] ?? 0), finishReason, costUsd });
  }
  return cut;
}

function cutByBudget(completion: Completion): Completion {
  const choices = completion.choices.map((choice) =>
    choice.finishReason === 'abort' ? { ...choice, finishReason: 'budget' as const } : choice,
  );
  return { ...completion, choices, finishReason: choices[0]?.finishReason ?? 'budget' };
}
