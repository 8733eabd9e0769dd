// Puts a remote completion together from the pieces that arrive, one or many, and says how far it has come.

import { malformed, type ReplyChoice, readChoices, readId, readReply, readUsage } from './openai-reply.js';
import type { ChosenTokenLogprob, Completion, CompletionChunk, FinishReason, Usage } from './provider.js';

interface GrowingChoice {
  /** It has said something, if only why it ended. */
  begun: boolean;
  text: string;
  /** Pieces with text: nearly always one token each. */
  pieces: number;
  finishReason: FinishReason | undefined;
  readonly logprobs: ChosenTokenLogprob[];
}

export interface BuilderOptions {
  readonly provider: string;
  readonly model: string;
  /** An answer that comes whole says nothing about the times of its tokens. */
  readonly streamed: boolean;
  /** How many there must be. */
  readonly choices: number;
  readonly estimatedPromptTokens: number;
  /** Milliseconds. */
  readonly now: () => number;
}

const BYTES_PER_TOKEN = 4;

export class ReplyBuilder {
  readonly #options: BuilderOptions;
  readonly #startedAt: number;
  readonly #choices: readonly GrowingChoice[];
  #firstAt: number | undefined;
  #lastAt = 0;
  #id: string | undefined;
  #usage: Usage | undefined;

  constructor(options: BuilderOptions) {
    this.#options = options;
    this.#startedAt = options.now();
    this.#choices = Array.from({ length: options.choices }, () => ({
      begun: false,
      text: '',
      pieces: 0,
      finishReason: undefined,
      logprobs: [],
    }));
  }

  /** Every choice has said why it ended. */
  get finished(): boolean {
    return this.#choices.every(({ finishReason }) => finishReason !== undefined);
  }

  /** As the provider counts it; else estimated from what has come. */
  get usage(): Usage {
    if (this.#usage) return this.#usage;
    const promptTokens = this.#options.estimatedPromptTokens;
    const completionTokens = this.#choices.reduce((sum, choice) => sum + estimatedTokens(choice), 0);
    return { promptTokens, completionTokens, totalTokens: promptTokens + completionTokens, estimated: true };
  }

  /**
   * Returns what is new in a piece; choices that nobody asked for are left out. Of a malformed one, what can be read is
   * counted all the same: it will be billed.
   * @throws ProviderError as `readReply` does
   */
  add(piece: unknown): CompletionChunk[] {
    const { provider } = this.#options;
    const reply = readReply(provider, piece);
    this.#id ??= readId(reply);
    try {
      return this.#addChoices(readChoices(provider, reply));
    } finally {
      this.#usage = readUsage(provider, reply) ?? this.#usage;
    }
  }

  /** @throws ProviderError `INHOUSE_PROVIDER_MALFORMED` when one that was asked for has not come */
  requireChoices(): void {
    if (!this.#choices.every(({ begun }) => begun)) throw malformed(this.#options.provider, 'choices');
  }

  /** Choices that have not said why they ended get `unfinished`. */
  completion(unfinished: FinishReason, usage = this.usage): Completion {
    const { provider, model } = this.#options;
    const choices = this.#choices.map(({ text, finishReason = unfinished, logprobs }, index) => ({
      index,
      text,
      finishReason,
      ...(logprobs.length > 0 && { logprobs }),
    }));
    const { text, finishReason } = choices[0]!;
    const id = this.#id ?? `cmpl-${crypto.randomUUID()}`;
    return { id, provider, model, text, finishReason, choices, usage, timings: this.#timings(usage) };
  }

  #addChoices(replied: readonly ReplyChoice[]): CompletionChunk[] {
    const { provider, streamed } = this.#options;
    const chunks: CompletionChunk[] = [];
    for (const { index, text: said, finishReason, logprobs } of replied) {
      const choice = this.#choices[index];
      if (choice?.begun && !streamed) throw malformed(provider, 'index');
      if (!choice || choice.finishReason) continue;
      const text = said ?? '';
      choice.begun ||= said !== undefined || finishReason !== undefined;
      choice.text += text;
      choice.finishReason = finishReason;
      for (const each of logprobs ?? []) choice.logprobs.push(each);
      if (text !== '') this.#noteText(choice);
      if (text !== '' || finishReason) chunks.push({ index, text, ...(finishReason && { finishReason }) });
    }
    return chunks;
  }

  #noteText(choice: GrowingChoice): void {
    choice.pieces += 1;
    this.#lastAt = this.#options.now();
    this.#firstAt ??= this.#lastAt;
  }

  #timings({ completionTokens }: Usage): Completion['timings'] {
    const totalMs = this.#options.now() - this.#startedAt;
    const firstAt = this.#firstAt;
    if (firstAt === undefined || !this.#options.streamed) return { totalMs };
    const gaps = completionTokens / this.#choices.length - 1;
    return {
      timeToFirstTokenMs: firstAt - this.#startedAt,
      perTokenMs: gaps > 0 ? (this.#lastAt - firstAt) / gaps : undefined,
      totalMs,
    };
  }
}

function estimatedTokens({ text, pieces }: GrowingChoice): number {
  return pieces > 1 ? pieces : Math.ceil(Buffer.byteLength(text) / BYTES_PER_TOKEN);
}
