// Decides what the next step computes: who decodes, whose prompt goes on, who gets a row and who gives one up.
// Pure: it reads the state and changes nothing. It knows no text, no rows of a runner, and no clock but the time it is
// given.
import type { WaitingQueue } from './waiting-queue.js';

/** What the scheduler sees of a sequence. Lengths are in tokens, which are KV positions. */
export interface Schedulable {
  /** Place in the order of submission; no two sequences share one. */
  readonly arrival: number;
  /** Higher goes first. */
  readonly priority: number;
  readonly submittedAtMs: number;
  /** When its time is up; infinite without a limit. */
  readonly deadlineMs: number;
  /** True when it had a row before and has to be computed again. */
  readonly resumed: boolean;
  /** Tokens its row must hold before the next one can be drawn, and those its row holds now. */
  readonly windowLength: number;
  readonly held: number;
  /** Most that its row may come to hold. */
  readonly capacity: number;
}

export interface SchedulerState<S extends Schedulable> {
  /** They hold rows 0..n-1 and get one token per step each. */
  readonly decoding: readonly S[];
  /** The one whose prompt is being computed; it has a row too. */
  readonly filling: S | undefined;
  readonly waiting: WaitingQueue<S>;
  /** Positions that finished sequences hold for others to copy, in whole pages. */
  readonly cachedTokens: number;
  /** Rows given out since the longest waiting had its turn. */
  readonly sinceFair: number;
}

export interface StepBudget {
  /** Sequences that have a row at once. */
  readonly maxBatchSize: number;
  /** Tokens computed per step, over all rows; more than maxBatchSize. */
  readonly maxTokensPerStep: number;
  /** Prompt tokens per step while others decode. */
  readonly chunkTokens: number;
  /** Tokens per row and step while nobody waits. */
  readonly decodeSteps: number;
  /** KV positions there is memory for. */
  readonly kvTokens: number;
  /** Rows take memory by so many positions. */
  readonly pageTokens: number;
  /** How long an idle engine waits for more requests to begin with. */
  readonly batchTimeoutMs: number;
  readonly nowMs: number;
}

export interface StepPlan<S extends Schedulable> {
  /** They give up their rows, to be computed again later: for want of memory, or because their context is full. */
  readonly preempt: readonly S[];
  /** Gets the row after those that decode. */
  readonly admit: S | undefined;
  /** It gets the row as the longest waiting, whatever its priority. */
  readonly fair: boolean;
  /** Positions that cached rows have to give up before the step. */
  readonly evictTokens: number;
  /** The rows that are left after `preempt`, and how many tokens each gets. */
  readonly decode: { readonly rows: number; readonly steps: number };
  /** At most so many tokens of the filling or the admitted sequence. */
  readonly prefill: { readonly sequence: S; readonly tokens: number } | undefined;
  /** Above 0: compute nothing yet, others may come. */
  readonly waitMs: number;
}

/** Every so many admissions the longest waiting goes first, whatever its priority: nobody waits for ever. */
export const FAIR_ADMISSION_EVERY = 16;

/** Tokens that every row must be able to grow by before another is admitted, so that it is not preempted at once. */
export const HEADROOM_TOKENS = 16;

const NO_DECODE = { rows: 0, steps: 0 } as const;

/**
 * Running sequences come first, one token each, so a long prompt never stalls a stream; one prompt at a time goes on by
 * a chunk of what is left of the step. Memory is made by giving up cached rows, then by preempting the sequence of the
 * lowest priority that came last. Who was preempted resumes before anyone new is admitted. Since every sequence fits
 * the memory alone, the first in rank always advances.
 */
export function planStep<S extends Schedulable>(state: SchedulerState<S>, budget: StepBudget): StepPlan<S> {
  const waitMs = batchDelay(state, budget);
  if (waitMs > 0) {
    return {
      preempt: [],
      admit: undefined,
      fair: false,
      evictTokens: 0,
      decode: NO_DECODE,
      prefill: undefined,
      waitMs,
    };
  }
  const { decoding, filling, preempt } = makeRoom(state, budget);
  const settled = preempt.length === 0;
  const admit = settled && !filling ? admission(state, budget) : undefined;
  const target = filling ?? admit;
  const claimed = target ? inPages(target.windowLength, budget) : 0;
  const calm = settled && !target && state.waiting.size === 0;
  const steps = calm ? stepsThatFit(decoding, state.cachedTokens, budget) : 1;
  const needed = claimed + rowsAfter(decoding, steps, budget);
  return {
    preempt,
    admit,
    fair: admit !== undefined && isFairTurn(state),
    evictTokens: Math.max(0, needed + state.cachedTokens - budget.kvTokens),
    decode: { rows: decoding.length, steps },
    prefill: target && { sequence: target, tokens: chunk(target, decoding.length, budget) },
    waitMs: 0,
  };
}

/** Positions that a row of this length takes in memory. */
export function inPages(tokens: number, { pageTokens }: Pick<StepBudget, 'pageTokens'>): number {
  return Math.ceil(tokens / pageTokens) * pageTokens;
}

/** Positions that all rows take in memory; a prompt counts whole as soon as it has a row. */
export function claimedTokens<S extends Schedulable>(
  { decoding, filling, cachedTokens }: SchedulerState<S>,
  budget: Pick<StepBudget, 'pageTokens'>,
): number {
  return (
    rowsAfter(decoding, 0, budget) + (filling ? inPages(filling.windowLength, budget) : 0) + cachedTokens
  );
}

/** What is wrong with a state between two steps; empty when nothing is. */
export function invariants<S extends Schedulable>(state: SchedulerState<S>, budget: StepBudget): string[] {
  const { decoding, filling, waiting } = state;
  const running = filling ? [...decoding, filling] : decoding;
  const wrong: string[] = [];
  const demand = (holds: boolean, violation: string) => {
    if (!holds) wrong.push(violation);
  };
  demand(running.length <= budget.maxBatchSize, `${running.length} rows, ${budget.maxBatchSize} allowed`);
  demand(
    new Set([...running, ...waiting]).size === running.length + waiting.size,
    'a sequence is twice there',
  );
  for (const { arrival, held, windowLength, capacity } of running) {
    demand(held <= capacity, `sequence ${arrival} holds ${held} of ${capacity}`);
    demand(held < windowLength, `sequence ${arrival} holds ${held}, its window is ${windowLength}`);
  }
  for (const { arrival, held, windowLength } of decoding) {
    demand(held === windowLength - 1, `sequence ${arrival} decodes with ${held} of ${windowLength} held`);
  }
  const used = claimedTokens(state, budget);
  demand(used <= budget.kvTokens, `${used} KV positions taken, ${budget.kvTokens} allowed`);

  const latestAdmitted = new Map<number, number>(); // arrival by priority
  for (const { priority, arrival } of running) {
    latestAdmitted.set(priority, Math.max(arrival, latestAdmitted.get(priority) ?? -1));
  }
  let previous: S | undefined;
  for (const sequence of waiting) {
    const { arrival, held, priority, resumed } = sequence;
    demand(held === 0, `sequence ${arrival} waits and holds ${held}`);
    demand(!previous || goesBefore(previous, sequence), `sequence ${arrival} waits in the wrong place`);
    const overtaken = !resumed && arrival < (latestAdmitted.get(priority) ?? -1);
    demand(!overtaken, `sequence ${arrival} was overtaken within its priority`);
    previous = sequence;
  }
  return wrong;
}

/** The order of waiting: who was preempted first, then by priority, then by arrival. */
export function goesBefore(a: Schedulable, b: Schedulable): boolean {
  return a.resumed === b.resumed ? outranks(a, b) : a.resumed;
}

function outranks(a: Schedulable, b: Schedulable): boolean {
  return a.priority === b.priority ? a.arrival < b.arrival : a.priority > b.priority;
}

function batchDelay<S extends Schedulable>(state: SchedulerState<S>, budget: StepBudget): number {
  const { decoding, filling, waiting } = state;
  const idle = decoding.length === 0 && !filling;
  if (budget.batchTimeoutMs === 0 || !idle || waiting.size === 0 || waiting.size >= budget.maxBatchSize)
    return 0;
  if (waiting.head!.resumed) return 0;
  let until = Number.POSITIVE_INFINITY;
  for (const { submittedAtMs, deadlineMs } of waiting) {
    const patienceMs = Math.min(budget.batchTimeoutMs, (deadlineMs - submittedAtMs) / 2); // the rest is to compute in
    until = Math.min(until, submittedAtMs + patienceMs);
  }
  return until - budget.nowMs;
}

/** Who keeps a row when every sequence gets one more token. */
function makeRoom<S extends Schedulable>(state: SchedulerState<S>, budget: StepBudget) {
  const preempt = state.decoding.filter(isFull);
  const decoding = preempt.length > 0 ? state.decoding.filter((s) => !isFull(s)) : [...state.decoding];
  let { filling } = state;
  for (;;) {
    const needed = rowsAfter(decoding, 1, budget) + (filling ? inPages(filling.windowLength, budget) : 0);
    if (needed <= budget.kvTokens) return { decoding, filling, preempt };
    const victim = lowest(filling ? [...decoding, filling] : decoding);
    preempt.push(victim);
    if (victim === filling) filling = undefined;
    else decoding.splice(decoding.indexOf(victim), 1);
  }
}

/** Whoever lives on with a full row has to drop its oldest tokens and be computed again. */
function isFull({ held, capacity }: Schedulable): boolean {
  return held >= capacity;
}

function lowest<S extends Schedulable>(sequences: readonly S[]): S {
  return sequences.reduce((low, sequence) => (outranks(low, sequence) ? sequence : low));
}

function admission<S extends Schedulable>(state: SchedulerState<S>, budget: StepBudget): S | undefined {
  const { decoding, waiting } = state;
  if (decoding.length >= budget.maxBatchSize) return undefined;
  const next = isFairTurn(state) ? waiting.oldest : waiting.head;
  if (!next || decoding.length === 0) return next;
  const own = inPages(Math.min(next.windowLength + HEADROOM_TOKENS, next.capacity), budget);
  return own + rowsAfter(decoding, HEADROOM_TOKENS, budget) <= budget.kvTokens ? next : undefined;
}

/** Put off, not lost, while somebody who was preempted has to resume. */
function isFairTurn<S extends Schedulable>({ waiting, sinceFair }: SchedulerState<S>): boolean {
  return sinceFair >= FAIR_ADMISSION_EVERY - 1 && !waiting.head?.resumed;
}

/** While nobody decodes, nobody is kept waiting by a long chunk. */
function chunk(target: Schedulable, rows: number, budget: StepBudget): number {
  const room = budget.maxTokensPerStep - rows;
  return Math.min(target.windowLength - target.held, rows === 0 ? room : Math.min(room, budget.chunkTokens));
}

/** As many as need no cached row to go. */
function stepsThatFit(decoding: readonly Schedulable[], cachedTokens: number, budget: StepBudget): number {
  let steps = budget.decodeSteps;
  while (steps > 1 && rowsAfter(decoding, steps, budget) + cachedTokens > budget.kvTokens) steps--;
  return Math.max(1, steps);
}

/** Memory that the rows take when each has grown by so many tokens. */
function rowsAfter(
  sequences: readonly Schedulable[],
  tokens: number,
  budget: Pick<StepBudget, 'pageTokens'>,
): number {
  let sum = 0;
  for (const { held, capacity } of sequences) sum += inPages(Math.min(held + tokens, capacity), budget);
  return sum;
}
