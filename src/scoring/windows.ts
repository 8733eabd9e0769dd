// How a long text is cut into windows so that every token is scored once. Pure.
// The sliding-window scheme of the Hugging Face guide "Perplexity of fixed-length models".
import { InvalidInputError } from '../errors.js';
import { invalidOption } from '../options.js';

export interface WindowOptions {
  /** Tokens per window, 2 to the context length. Default the context length. */
  readonly window?: number;
  /** Tokens by which windows advance, 1 to window - 1. Default half the window. */
  readonly stride?: number;
}

export interface Window {
  /** First token of the window. */
  readonly begin: number;
  /** One past the last token. */
  readonly end: number;
  /** Tokens from here to the end are scored; those before it are context only. */
  readonly scoreFrom: number;
}

export interface WindowPlan {
  readonly window: number;
  readonly stride: number;
  readonly windows: readonly Window[];
}

/**
 * Checks the options against the model and the text, fills in the defaults, and cuts the text.
 * @throws InvalidInputError `INHOUSE_INVALID_OPTION`; `INHOUSE_EMPTY_PROMPT` for fewer than two tokens
 */
export function planScore(tokens: number, contextLength: number, options: WindowOptions): WindowPlan {
  const window = options.window ?? contextLength;
  if (window > contextLength)
    throw invalidOption('score', 'window', window, `at most the context, ${contextLength}`);
  const stride = options.stride ?? Math.max(1, Math.floor(window / 2));
  if (stride >= window) throw invalidOption('score', 'stride', stride, `below the window, ${window}`);
  if (tokens < 2) {
    throw new InvalidInputError(
      'INHOUSE_EMPTY_PROMPT',
      `score needs at least two tokens, got ${tokens}: the first is given, the others are predicted.`,
    );
  }
  return { window, stride, windows: planWindows(tokens, window, stride) };
}

/**
 * Windows of at most `window` tokens that advance by `stride`; every token but the first is scored exactly once, with
 * at least `window - stride` tokens of context where the text has them. 1 <= stride < window, tokens >= 2.
 */
export function planWindows(tokens: number, window: number, stride: number): Window[] {
  const windows: Window[] = [];
  let scored = 1; // the first token of a text has nothing before it
  for (let begin = 0; scored < tokens; begin += stride) {
    const end = Math.min(begin + window, tokens);
    windows.push({ begin, end, scoreFrom: scored });
    scored = end;
  }
  return windows;
}
