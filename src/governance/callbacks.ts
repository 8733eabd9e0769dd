// Functions of the application that governance calls: what one throws, or rejects with where it turns out to be
// asynchronous, is a fault to be counted. It must end neither a call nor, as a rejection that nobody hears, the process.

/** Told of what failed behind a call, and where. */
export type OnFault = (where: string, error: unknown) => void;

/** Calls one whose answer nobody waits for. Never throws. */
export function tell<T>(
  callback: ((told: T) => unknown) | undefined,
  told: T,
  where: string,
  onFault: OnFault,
): void {
  try {
    const outcome = callback?.(told);
    if (isThenable(outcome)) outcome.then(undefined, (error) => onFault(where, error));
  } catch (error) {
    onFault(where, error);
  }
}

/** The answer of one that must answer at once. @throws TypeError for a promise */
export function atOnce<T>(answer: T): T {
  if (!isThenable(answer)) return answer;
  answer.then(undefined, () => {}); // what it rejects with changes nothing any more
  throw new TypeError('A function that must answer at once answered with a promise.');
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { readonly then?: unknown } | null | undefined)?.then === 'function';
}
