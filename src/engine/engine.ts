// Runs the requests of all callers of one model together. A loop of steps: plan (scheduler.ts), compute on the runner,
// hand the tokens out, put the rows in order. Decisions are made elsewhere; this is where they take effect.
import { RunnerError } from '../errors.js';
import type { DeviceStatistics, Runner, TokenChoice } from '../runtime/runner.js';
import { Answers } from './answers.js';
import type { EngineSettings } from './engine-options.js';
import { Entry } from './entry.js';
import type { Metric } from './metrics.js';
import { Pace } from './pace.js';
import { disposed, duplicateId, inconsistent, queueFull, tooLargeForMemory } from './refusals.js';
import { Reports } from './reports.js';
import { type GenerationOutcome, type GenerationRequest, RunningRequest } from './request.js';
import { type PrefixStatistics, Rows } from './rows.js';
import {
  claimedTokens,
  inPages,
  invariants,
  planStep,
  type SchedulerState,
  type StepBudget,
  type StepPlan,
} from './scheduler.js';
import { SideWork } from './side-work.js';
import { WaitingQueue } from './waiting-queue.js';

export interface DisposeOptions {
  /** Let what runs and waits come to its end first; new requests are refused. Default false: they fail. */
  readonly drain?: boolean;
}

export interface EngineStatistics {
  /** Choices that hold a row now, and choices that wait for one. */
  readonly running: number;
  readonly waiting: number;
  /** Rows taken back, since loading, because KV memory ran short. */
  readonly preemptions: number;
  readonly prefixCache: PrefixStatistics;
  readonly kvLimitBytes: number;
}

export class Engine {
  /** For calls of the runner that belong to no generation: they take turns with the steps. */
  readonly sideWork: SideWork;
  readonly #runner: Runner;
  readonly #settings: EngineSettings;
  readonly #now: () => number;
  readonly #kvTokens: number;
  readonly #reports: Reports;
  readonly #answers: Answers;
  readonly #pace = new Pace();
  readonly #rows: Rows;
  readonly #waiting = new WaitingQueue<Entry>();
  #device: DeviceStatistics | undefined;
  #arrivals = 0;
  #sinceFair = 0;
  /** When the runner's last call ended, in milliseconds. */
  #idleSinceMs = Number.NEGATIVE_INFINITY;
  /** At work, and not waiting for company any more. */
  #begun = false;
  #closed = false;
  #loop: Promise<void> | undefined;
  #disposal: Promise<void> | undefined;
  #wake: (() => void) | undefined;

  /** The runner has maxBatchSize + prefixCacheRows rows. `now` returns milliseconds. */
  constructor(runner: Runner, settings: EngineSettings, now: () => number = () => performance.now()) {
    this.#runner = runner;
    this.#settings = settings;
    this.#now = now;
    this.#device = settings.device;
    this.#reports = new Reports(settings.onEvent);
    this.#answers = new Answers(this.#reports);
    this.#kvTokens = Math.floor(settings.kvLimitBytes / settings.kvBytesPerToken);
    this.#rows = new Rows(runner, settings);
    this.sideWork = new SideWork(settings.maxWaiting, now, () => this.#start());
  }

  /**
   * Resolves when every choice has ended. Rejects with what failed it, other requests go on; at once with a
   * `DisposedError`, a `QueueFullError`, or an `InvalidInputError`: `INHOUSE_DUPLICATE_ID`, or `INHOUSE_KV_LIMIT` where KV
   * memory could never hold it.
   */
  submit(request: GenerationRequest): Promise<GenerationOutcome> {
    const { id } = request.options;
    const refusal = this.#refusal(request);
    if (refusal) {
      this.#reports.refused(id, refusal);
      return Promise.reject(refusal);
    }
    const owner = new RunningRequest(request, this.#now, (ms) => this.#reports.metrics.noteGap(ms));
    this.#answers.expect(owner, () => this.#wake?.());
    for (const sequence of request.sequences) {
      this.#waiting.insert(new Entry(owner, sequence, this.#arrivals++));
    }
    this.#reports.queued(id, request.sequences.length, this.#waiting.size);
    this.#start();
    return owner.outcome;
  }

  /** Refuses new requests; fails those there are with a `DisposedError`, unless they may drain; disposes of the runner. */
  dispose({ drain = false }: DisposeOptions = {}): Promise<void> {
    this.#closed = true;
    if (!drain) this.#answers.failAll(disposed());
    this.sideWork.close(drain);
    this.#wake?.();
    this.#disposal ??= (async () => {
      await this.#loop;
      await this.#runner.dispose();
    })();
    return this.#disposal;
  }

  statistics(): EngineStatistics {
    return {
      running: this.#rows.running.length,
      waiting: this.#waiting.size,
      preemptions: this.#reports.metrics.preemptions,
      prefixCache: this.#rows.prefixStatistics,
      kvLimitBytes: this.#settings.kvLimitBytes,
    };
  }

  /** Figures of a device are those of the last time they were asked for: it is the runner that must be asked. */
  metrics(): readonly Metric[] {
    const { kvBytesPerToken, kvLimitBytes } = this.#settings;
    const device = this.#device;
    if (device) void this.#readDevice();
    return this.#reports.metrics.snapshot({
      running: this.#rows.running.length,
      waiting: this.#waiting.size,
      kvUsedBytes: claimedTokens(this.#state(), this.#settings) * kvBytesPerToken,
      kvLimitBytes,
      prefix: this.#rows.prefixStatistics,
      device,
    });
  }

  async #readDevice(): Promise<void> {
    const statistics = await this.#runner.statistics().catch(() => undefined); // disposed of, or the device is lost
    this.#device = statistics?.device ?? this.#device;
  }

  #start(): void {
    this.#loop ??= this.#run();
    this.#wake?.();
  }

  async #run(): Promise<void> {
    await undefined; // whoever submits in the same turn of the event loop is planned for together
    for (;;) {
      try {
        this.#answers.endOverdue(this.#now());
        await this.#tidy();
        const generating = this.#waiting.size > 0 || this.#rows.running.length > 0;
        if (!generating && !this.sideWork.waits) break;
        if (generating) await this.#step();
        if (this.sideWork.waits) await this.sideWork.turn(this.#rows.running.length > 0);
      } catch (error) {
        this.#answers.failAll(error);
        this.sideWork.failAll(error);
        this.#waiting.prune(() => true);
        await this.#rows.abandon(); // the loop goes on for whoever comes meanwhile
      }
    }
    this.#begun = false;
    this.#loop = undefined; // no await before: a submit that comes after the last look must start a new loop
  }

  async #step(): Promise<void> {
    const begin = this.#now();
    const budget = this.#budget(begin);
    if (this.#settings.checkInvariants) {
      const violations = invariants(this.#state(), budget);
      if (violations.length > 0) throw inconsistent(violations);
    }
    const plan = planStep(this.#state(), budget);
    const schedulerMs = this.#now() - begin;
    if (plan.waitMs > 0) return this.sideWork.waits ? undefined : this.#sleep(plan.waitMs);
    this.#begun = true;
    await this.#arrangeRows(plan);

    const decoded = this.#decode(plan.decode.steps);
    const filled = this.#fill(plan.prefill); // queued behind the decoding, whose tokens go out meanwhile
    const decode = await decoded;
    const promptTokens = await filled;
    const end = this.#now();
    if (decode && promptTokens > 0) this.#pace.noteChunk(end - decode.endMs, promptTokens);
    const { rows: decodeRows = 0, steps: decodeSteps = 0 } = decode ?? {};
    const stepMs = end - begin;
    this.#reports.step({ decodeRows, decodeSteps, promptTokens, stepMs, schedulerMs });
  }

  async #arrangeRows({ preempt, admit, fair, evictTokens }: StepPlan<Entry>): Promise<void> {
    for (const entry of preempt) await this.#preempt(entry);
    if (admit) await this.#admit(admit, fair, evictTokens);
    else await this.#onRows(() => this.#rows.evict(evictTokens));
  }

  async #preempt(entry: Entry): Promise<void> {
    const reason = entry.sequence.isFull ? 'context' : 'memory';
    if (!(await this.#onRows(() => this.#rows.release(entry, false)))) return;
    entry.giveUpRow();
    this.#waiting.insert(entry);
    this.#reports.preempted(entry.owner.id, entry.sequence.index, reason);
  }

  async #admit(entry: Entry, fair: boolean, evictTokens: number): Promise<void> {
    const { owner, sequence, resumed, windowLength: promptTokens } = entry;
    this.#waiting.remove(entry);
    this.#sinceFair = fair ? 0 : this.#sinceFair + 1;
    if (owner.noteStart()) this.#reports.metrics.noteStart(this.#now() - owner.submittedAtMs);
    try {
      const cachedTokens = await this.#rows.open(entry, evictTokens);
      if (!resumed) owner.cachedTokens += cachedTokens;
      this.#reports.admitted({ id: owner.id, index: sequence.index, promptTokens, cachedTokens });
    } catch (error) {
      this.#answers.fail(owner, error);
    }
  }

  /** One call of the runner for all rows that decode. */
  async #decode(steps: number): Promise<{ rows: number; steps: number; endMs: number } | undefined> {
    const entries = [...this.#rows.decoding];
    if (entries.length === 0) return undefined;
    const begin = this.#now();
    try {
      const choices = await this.#runner.decode(entries.length, steps);
      const endMs = this.#charge(entries, begin);
      const done = choices[0]!.length;
      this.#pace.noteDecode(endMs - begin, done);
      for (const entry of entries) entry.held += done;
      for (let step = 0; step < done; step++) {
        for (const [row, entry] of entries.entries()) this.#accept(entry, choices[row]![step]!);
      }
      return { rows: entries.length, steps: done, endMs };
    } catch (error) {
      // A row that is named failed alone: the others are as they were, and go on with the next step.
      const failed = error instanceof RunnerError ? entries[error.details.row as number] : undefined;
      for (const { owner } of failed ? [failed] : entries) this.#answers.fail(owner, error);
      return undefined;
    }
  }

  /** The next piece of a prompt; with the last one comes the first token. Returns how many tokens were computed. */
  async #fill(prefill: StepPlan<Entry>['prefill']): Promise<number> {
    if (!prefill || prefill.sequence !== this.#rows.filling || prefill.sequence.isOver) return 0;
    const { sequence: entry, tokens: most } = prefill;
    const tokens = entry.tokens.slice(entry.held, entry.held + most);
    const sample = entry.held + tokens.length === entry.windowLength;
    const begin = this.#now();
    try {
      const choice = await this.#runner.prefill(entry.row, tokens, { sample });
      this.#charge([entry], begin);
      entry.held += tokens.length;
      this.#reports.metrics.notePrompt(tokens.length);
      entry.ready = sample;
      if (choice) this.#accept(entry, choice);
      return tokens.length;
    } catch (error) {
      this.#answers.fail(entry.owner, error);
      return 0;
    }
  }

  /** Shares the time of the call that has just ended; the runner makes one at a time. Returns when that was. */
  #charge(entries: readonly Entry[], calledAtMs: number): number {
    const endMs = this.#now();
    const shareMs = (endMs - Math.max(calledAtMs, this.#idleSinceMs)) / entries.length;
    this.#idleSinceMs = endMs;
    for (const { owner } of entries) owner.computeMs += shareMs;
    return endMs;
  }

  #accept({ owner, sequence }: Entry, choice: TokenChoice): void {
    this.#answers.deliver(owner, sequence, () => sequence.accept(choice));
  }

  /** Takes out who is over, frees their rows, and lets whose prompt is computed join those that decode. */
  async #tidy(): Promise<void> {
    if (this.#answers.takeUntidy()) this.#waiting.prune((entry) => entry.isOver);
    await this.#onRows(async () => {
      for (const entry of this.#rows.running.toReversed()) {
        if (entry.isOver) await this.#rows.release(entry, entry.sequence.ended);
      }
      if (this.#rows.filling?.ready) await this.#rows.promote();
    });
  }

  /** When rows cannot be arranged the runner is gone or in disorder: whoever counts on it must know. */
  async #onRows(arrange: () => Promise<unknown>): Promise<boolean> {
    try {
      await arrange();
      return true;
    } catch (error) {
      for (const { owner } of this.#rows.running) this.#answers.fail(owner, error);
      await this.#rows.abandon();
      return false;
    }
  }

  #refusal({ options: { id }, sequences }: GenerationRequest): Error | undefined {
    const { maxBatchSize, maxWaiting, kvLimitBytes, kvBytesPerToken } = this.#settings;
    if (this.#closed) return disposed();
    if (this.#answers.has(id)) return duplicateId(id);
    const capacity = Math.max(...sequences.map((sequence) => sequence.capacity));
    const needed = inPages(capacity, this.#settings);
    if (needed > this.#kvTokens) {
      return tooLargeForMemory(capacity, needed * kvBytesPerToken, kvLimitBytes, kvBytesPerToken);
    }
    if (this.#waiting.size + sequences.length <= maxWaiting) return undefined;
    const running = this.#rows.running.filter((entry) => !entry.isOver).length;
    const depth = this.#waiting.size - (maxBatchSize - running); // below 0: so many more find a row at once
    if (depth + sequences.length <= maxWaiting) return undefined;
    return queueFull('choices', Math.max(0, depth), sequences.length, maxWaiting);
  }

  #state(): SchedulerState<Entry> {
    const { decoding, filling, cachedTokens } = this.#rows;
    return { decoding, filling, cachedTokens, waiting: this.#waiting, sinceFair: this.#sinceFair };
  }

  #budget(nowMs: number): StepBudget {
    const { maxBatchSize, maxTokensPerStep, pageTokens, chunkSize, batchTimeoutMs } = this.#settings;
    return {
      maxBatchSize,
      maxTokensPerStep,
      pageTokens,
      kvTokens: this.#kvTokens,
      chunkTokens: chunkSize ?? this.#pace.chunkTokens,
      decodeSteps: this.#pace.decodeSteps,
      batchTimeoutMs: this.#begun || this.#closed ? 0 : batchTimeoutMs,
      nowMs,
    };
  }

  /** Until the time is over, or something happens that may change the plan. */
  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const awake = () => {
        clearTimeout(timer);
        this.#wake = undefined;
        resolve();
      };
      const timer = setTimeout(awake, Math.ceil(ms));
      this.#wake = awake;
    });
  }
}
