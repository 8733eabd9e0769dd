// What a governed call gave, in the words that users of GenOps' Together and Anyscale adapters know. OpenAI's own shapes
// are in providers/openai-shape.ts.
import type { Completion, Embedding, GenerationRequest } from '../providers/provider.js';
import type { Attributes } from './attributes.js';
import { contentOf } from './call-facts.js';
import type { Governed } from './pipeline.js';

export interface TogetherResult {
  readonly prompt: string;
  readonly response: string;
  readonly modelUsed: string;
  readonly taskType: string;
  readonly tokensUsed: number;
  /** USD. */
  readonly cost: number;
  /** Of the provider alone, so that the wall time less this is what governance took. */
  readonly executionTimeSeconds: number;
  readonly governanceMetadata: Attributes;
  /** Another name for `governanceMetadata`. */
  readonly governanceAttributes: Attributes;
  readonly sessionId: string | undefined;
}

const TASK_TYPES = {
  chat: 'chat_completion',
  completion: 'code_completion',
  embedding: 'embedding',
} as const;

/** `taskType`: default 'chat_completion' for a conversation, 'code_completion' for a prompt. */
export function asTogetherResult(
  request: GenerationRequest,
  { governance, model, text, timings, usage }: Governed<Completion>,
  taskType: string = TASK_TYPES[governance.operation],
): TogetherResult {
  return {
    prompt: contentOf(request) ?? '',
    response: text,
    modelUsed: model,
    taskType,
    tokensUsed: usage.totalTokens,
    cost: governance.cost.actualUsd,
    executionTimeSeconds: timings.totalMs / 1000,
    governanceMetadata: governance.attributes,
    governanceAttributes: governance.attributes,
    sessionId: governance.sessionId,
  };
}

export interface OperationRecord {
  readonly operationId: string;
  readonly operationType: 'chat.completion' | 'completion' | 'embedding';
  readonly model: string;
  /** ISO 8601. */
  readonly startTime: string;
  readonly endTime: string;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly totalTokens: number;
  readonly cost: number;
  readonly currency: 'USD';
  /** Of the provider. */
  readonly latencyMs: number;
  /** Undefined where the answer came whole. */
  readonly firstTokenMs: number | undefined;
  readonly governanceAttributes: Attributes;
  /** Of the whole call. */
  readonly durationMs: number;
}

const OPERATION_TYPES = {
  chat: 'chat.completion',
  completion: 'completion',
  embedding: 'embedding',
} as const;

export function asOperationRecord({
  governance,
  model,
  timings,
  usage,
}: Governed<Completion | Embedding>): OperationRecord {
  const { attributes, cost, durationMs, operation, requestId, startMs } = governance;
  return {
    operationId: requestId,
    operationType: OPERATION_TYPES[operation],
    model,
    startTime: new Date(startMs).toISOString(),
    endTime: new Date(startMs + durationMs).toISOString(),
    inputTokens: usage.promptTokens,
    outputTokens: usage.completionTokens,
    totalTokens: usage.totalTokens,
    cost: cost.actualUsd,
    currency: 'USD',
    latencyMs: timings.totalMs,
    firstTokenMs: timings.timeToFirstTokenMs,
    governanceAttributes: attributes,
    durationMs,
  };
}
