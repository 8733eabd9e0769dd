// One choice of a request on its way: its tokens, its text so far, and why it ended. No timers, no runner.
import type { RowOptions, TokenChoice, TokenLogprob } from '../runtime/runner.js';
import type { IncrementalDecoder } from '../tokenizer/incremental.js';
import { type ContextPlan, slideBy } from './context-window.js';
import type { ResolvedOptions } from './options.js';
import { StopStrings } from './stop-strings.js';

/** 'stop': a stop token or stop string. 'length': maxTokens. 'context': the model's context is full. */
export type FinishReason = 'stop' | 'length' | 'context' | 'abort';

/** What one step adds to a choice. Every token comes in exactly one chunk. */
export interface StreamChunk {
  /** Which of the n choices. */
  readonly index: number;
  /** Text that can be shown: never half a character, never part of a stop string. May be empty. */
  readonly text: string;
  /** The new token ids; none where text held back is released. */
  readonly tokens: readonly number[];
  readonly logprobs?: readonly TokenLogprobs[];
  /** Set on the last chunk of a choice. */
  readonly finishReason?: FinishReason;
}

/** One generated token and, most probable first, what else the model considered. */
export interface TokenLogprobs extends TokenLogprob {
  readonly top: readonly TokenLogprob[];
}

export interface SequenceResult {
  readonly index: number;
  readonly text: string;
  readonly tokens: readonly number[];
  readonly logprobs?: readonly TokenLogprobs[];
  readonly finishReason: FinishReason;
  /** The stop string or stop token that ended it. */
  readonly stopReason?: string | number;
  /** Oldest tokens that the context had no room for. */
  readonly droppedTokens: number;
}

export interface SequenceOptions {
  readonly index: number;
  readonly prompt: readonly number[];
  readonly promptText: string;
  readonly plan: ContextPlan;
  readonly options: ResolvedOptions;
  readonly contextLength: number;
  /** Undefined for a model without tokenizer files: the text then stays empty. */
  readonly decoder: IncrementalDecoder | undefined;
}

export class Sequence {
  readonly index: number;
  readonly #prompt: readonly number[];
  readonly #plan: ContextPlan;
  readonly #options: ResolvedOptions;
  readonly #contextLength: number;
  readonly #decoder: IncrementalDecoder | undefined;
  readonly #stops: StopStrings;
  readonly #output: number[] = [];
  #window: number[];
  readonly #logprobs: TokenLogprobs[] = [];
  #text = '';
  /** The prompt, until it has been shown. */
  #echo: string;
  #dropped: number;
  #finishReason: FinishReason | undefined;
  #stopReason: string | number | undefined;

  constructor({ index, prompt, promptText, plan, options, contextLength, decoder }: SequenceOptions) {
    this.index = index;
    this.#prompt = prompt;
    this.#plan = plan;
    this.#options = options;
    this.#contextLength = contextLength;
    this.#decoder = decoder;
    this.#stops = new StopStrings(options.stop);
    this.#dropped = plan.dropFromPrompt;
    this.#window = prompt.slice(plan.dropFromPrompt);
    this.#echo = options.echo ? promptText : '';
  }

  get ended(): boolean {
    return this.#finishReason !== undefined;
  }

  get outputLength(): number {
    return this.#output.length;
  }

  /** Without the tokens that the context had no room for. */
  get promptLength(): number {
    return this.#prompt.length - this.#plan.dropFromPrompt;
  }

  /** All tokens that the row must hold before the next one can be drawn. Grows with the sequence. */
  get window(): readonly number[] {
    return this.#window;
  }

  /** KV positions it may come to need. */
  get capacity(): number {
    return this.#plan.capacity;
  }

  /** True when the context has no room for the window: it has to slide before the next token can be drawn. */
  get isFull(): boolean {
    return this.#window.length > this.#contextLength;
  }

  get rowOptions(): RowOptions {
    return {
      capacity: this.#plan.capacity,
      sampling: { ...this.#options.sampling, stream: this.index },
      prompt: this.#prompt,
      output: [...this.#output],
    };
  }

  /** Drops the oldest half of a full window. */
  slide(): void {
    const drop = slideBy(this.#contextLength);
    this.#dropped += drop;
    this.#window = this.#window.slice(drop);
  }

  /** Takes the next token; says what it adds. */
  accept(choice: TokenChoice): StreamChunk {
    const { token } = choice;
    this.#output.push(token);
    this.#window.push(token);
    const { stopTokenIds, minTokens } = this.#options.sampling;
    let text = '';
    if (stopTokenIds.includes(token)) {
      this.#finish('stop', token);
    } else {
      const piece = this.#decoder?.push(token) ?? '';
      text = this.#output.length < minTokens ? piece : this.#scan(piece);
      if (!this.ended && this.#output.length === this.#plan.maxTokens) this.#finish(this.#plan.endsBy);
    }
    return this.#chunk(text, choice);
  }

  /** Ends the sequence where it is; says what was held back. */
  abort(): StreamChunk {
    this.#finish('abort');
    return this.#chunk('', undefined);
  }

  /** What there is of it so far. */
  partial(): Pick<SequenceResult, 'index' | 'text' | 'tokens'> {
    return { index: this.index, text: this.#text, tokens: this.#output };
  }

  /** Of a sequence that has ended. */
  result(): SequenceResult {
    return {
      ...this.partial(),
      ...(this.#options.sampling.logprobs !== undefined && { logprobs: this.#logprobs }),
      finishReason: this.#finishReason!,
      ...(this.#stopReason !== undefined && { stopReason: this.#stopReason }),
      droppedTokens: this.#dropped,
    };
  }

  #scan(piece: string): string {
    const { text, found } = this.#stops.push(piece);
    if (found !== undefined) this.#finish('stop', found);
    return text;
  }

  #finish(reason: FinishReason, stopReason?: string | number): void {
    this.#finishReason = reason;
    this.#stopReason = stopReason;
  }

  #chunk(text: string, choice: TokenChoice | undefined): StreamChunk {
    const stoppedByText = typeof this.#stopReason === 'string';
    const released = this.ended && !stoppedByText ? this.#release() : '';
    const shown = this.#echo + text + released;
    this.#echo = '';
    this.#text += shown;
    const logprobs = choice?.logprob === undefined ? undefined : [tokenLogprobs(choice, choice.logprob)];
    if (logprobs) this.#logprobs.push(...logprobs);
    return {
      index: this.index,
      text: shown,
      tokens: choice ? [choice.token] : [],
      ...(logprobs && { logprobs }),
      ...(this.#finishReason && { finishReason: this.#finishReason }),
    };
  }

  /** The text held back for a character or a stop string that was never completed. */
  #release(): string {
    const { text, found } = this.#stops.push(this.#decoder?.flush() ?? '');
    if (found === undefined) return text + this.#stops.flush();
    this.#finish('stop', found);
    return text;
  }
}

function tokenLogprobs({ token, topLogprobs = [] }: TokenChoice, logprob: number): TokenLogprobs {
  return { token, logprob, top: topLogprobs };
}
