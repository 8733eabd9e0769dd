// How a long text is cut into windows so that every token is scored once. Pure.
// The sliding-window scheme of the Hugging Face guide "Perplexity of fixed-length models".

export interface Window {
  /** First token of the window. */
  readonly begin: number;
  /** One past the last token. */
  readonly end: number;
  /** Tokens from here to the end are scored; those before it are context only. */
  readonly scoreFrom: number;
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
