// The gateway's overhead: admission with and without logging, the section that must be short, the retry wrapper, checks
// at start. Admission itself logs nothing, so what the gateway logged per request is added around it here.
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { TimeoutError } from '../../src/errors.js';
import { Admission, type Slot } from '../../src/governance/admission.js';
import { systemClock } from '../../src/governance/clock.js';
import { checkGatewayLimits } from '../../src/governance/gateway-limits.js';
import { govern } from '../../src/governance/governed-provider.js';
import { consoleLogger, Log, type Logger } from '../../src/governance/logging.js';
import type { Benchmark } from './benchmark.js';
import { distribution } from './distribution.js';
import { successCost } from './retry.js';
import { judged, type Row } from './row.js';
import { ADVISORY, instantStub, REQUEST } from './subject.js';
import { timeAsyncWork, timeWork } from './timing.js';

const BATCH = 1000;
/** Of what writes to a file. */
const WRITTEN_BATCH = 5;
/** As many as the gateway logged per request. */
const MESSAGES = 2;

export const gateway: Benchmark = {
  name: 'gateway',
  about: 'admission, logging, the retry wrapper, checks at start',
  async measure({ samples }) {
    const file = new LogFile();
    try {
      const empty = await median(samples, () => undefined);
      const section = (await median(samples, admit(quiet()))) - empty;
      const info = (await median(samples, admit(logging('info', file)))) - empty;
      const debug = (await median(samples, admit(logging('debug', file)), WRITTEN_BATCH)) - empty;
      return [
        await startUp(samples),
        ...admission(info, debug),
        ...criticalSection(section),
        await successCost('G-36', samples),
        ...processorShare(info),
        ...(await primitives(samples)),
        ...(await errorLogging(samples, file)),
        ...programs(info, debug),
      ];
    } finally {
      file.remove();
    }
  },
};

function startUp(samples: number): Promise<Row> {
  const work = () => checkGatewayLimits({ maxQueueSize: 200, maxConcurrent: 50, requestTimeoutSeconds: 300 });
  return timeWork(samples, { batch: 100, work }).then((times) =>
    judged({
      id: 'G-29',
      name: 'checking the limits, once at start',
      plane: 'G',
      seed: 2,
      ours: distribution(times).mean / 1000,
      unit: 'ms',
      target: { atMost: 2 },
      reason: 'Called by no request.',
    }),
  );
}

function admission(info: number, debug: number): Row[] {
  const row = (id: string, name: string, seed: number, ours: number) =>
    judged({ id, name, plane: 'G', seed, ours, unit: 'µs', target: { atMost: seed } });
  return [
    row('G-33', 'admission at INFO', 1.217, info),
    row('G-33', 'admission at INFO, as the gateway planned to optimise it', 0.5, info),
    row('G-33', 'admission at INFO, as far as the gateway hoped to get', 0.2, info),
    judged({
      id: 'G-34',
      name: 'admission at DEBUG',
      plane: 'G',
      seed: 22.119,
      ours: debug,
      unit: 'µs',
      target: { atMost: 22.119 },
      reason: `${MESSAGES} messages written to a file while the slot is held.`,
    }),
  ];
}

/** The same at every level: nothing is logged inside. */
function criticalSection(section: number): Row[] {
  const row = (level: string, seed: number) =>
    judged({
      id: 'G-35',
      name: `entering and leaving, ${level}`,
      plane: 'G',
      seed,
      ours: section,
      unit: 'µs',
      target: { atMost: seed },
    });
  return [row('no logging', 0.186), row('INFO', 0.77), row('INFO, optimised', 0.19), row('DEBUG', 11.221)];
}

function processorShare(infoUs: number): Row[] {
  return [
    { perSecond: 1000, seed: 0.12 },
    { perSecond: 10_000, seed: 1.2 },
    { perSecond: 100_000, seed: 12 },
  ].map(({ perSecond, seed }) =>
    judged({
      id: 'G-37',
      name: `processor share of admission at ${perSecond} requests/s`,
      plane: 'G',
      seed,
      ours: (infoUs * perSecond) / 1e4,
      unit: '%',
      target: { atMost: seed },
      reason: 'Derived from G-33.',
    }),
  );
}

async function primitives(samples: number): Promise<Row[]> {
  const slots = new Admission({}, systemClock);
  let held: Slot | undefined;
  const lock = await timeAsyncWork(samples, {
    batch: BATCH,
    work: () => {
      held?.release();
      held = slots.enter() as Slot; // one is always free here
      return held;
    },
  });
  const turn = await timeAsyncWork(samples, { batch: 10, work: () => nextTurn() });
  const row = (name: string, seed: number, times: number[], reason: string) =>
    judged({
      id: 'G-38',
      name,
      plane: 'G',
      seed,
      ours: distribution(times).median,
      unit: 'µs',
      reason: `${reason} To be reported only.`,
    });
  return [
    row('awaiting a free slot and giving it back', 0.2, lock, 'The await included.'),
    row('giving way to the event loop', 0.5, turn, "A turn of Node.js's event loop; none of our code."),
  ];
}

async function errorLogging(samples: number, file: LogFile): Promise<Row[]> {
  const log = new Log(file.logger('info'));
  const error = new TimeoutError('INHOUSE_TIMEOUT', 'No answer.');
  const times = await timeWork(samples, {
    batch: WRITTEN_BATCH,
    work: () => log.error('Transient connection error', () => ({ model: 'gpt2', status: 504, error })),
  });
  const before = file.lines;
  await govern(instantStub(), { ...ADVISORY, logger: file.logger('info') }).chat(REQUEST);
  const facts = { id: 'G-39', plane: 'G' } as const;
  return [
    judged({
      ...facts,
      name: 'logging an error to a file',
      seed: 20,
      ours: distribution(times).median,
      unit: 'µs',
      target: { atMost: 20 },
    }),
    judged({
      ...facts,
      name: 'messages of a call that succeeds, at INFO',
      seed: 0,
      ours: file.lines - before,
      unit: 'messages',
      target: { atMost: 0 },
    }),
  ];
}

/** What the gateway's three programs print; `--quick`, the default and `--detailed` take their places. */
function programs(info: number, debug: number): Row[] {
  const row = (name: string, seed: number, ours: number) =>
    judged({ id: 'G-40', name, plane: 'G', seed, ours, unit: 'µs', target: { atMost: seed } });
  return [row('production', 1.2, info), row('debug', 22, debug)];
}

function quiet(): Log {
  return new Log();
}

function logging(level: 'info' | 'debug', file: LogFile): Log {
  return new Log(file.logger(level));
}

/** The way of a request through a gateway: in, its messages at DEBUG, out. */
function admit(log: Log): (i: number) => unknown {
  const slots = new Admission({}, systemClock);
  const logs = log.level !== 'silent';
  return (i) => {
    const slot = slots.enter();
    if (slot instanceof Promise) return slot;
    if (logs) for (let m = 0; m < MESSAGES; m++) log.debug('Queue', () => ({ model: 'gpt2', depth: i }));
    slot.release();
    return slot;
  };
}

async function median(samples: number, work: (i: number) => unknown, batch = BATCH): Promise<number> {
  return distribution(await timeWork(samples, { batch, work })).median;
}

/** Written line by line, as a log is. */
class LogFile {
  lines = 0;
  readonly #folder = mkdtempSync(join(tmpdir(), 'inhouse-bench-'));
  readonly #file = openSync(join(this.#folder, 'log'), 'a');

  logger(level: 'info' | 'debug'): Logger {
    return consoleLogger(level, (line) => {
      this.lines++;
      writeSync(this.#file, `${line}\n`);
    });
  }

  remove(): void {
    closeSync(this.#file);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
