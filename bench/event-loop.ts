// How long the caller's event loop is held up while a model generates flat out.
// Usage: node dist/bench/event-loop.js [--model embedded] [--runner auto] [--tokens 400] [--repeat 5] [--json]
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type LoadOptions, load } from '../src/index.js';
import { machine } from './machine.js';
import { median } from './statistics.js';

/** Milliseconds. The monitor wakes every millisecond; what it records beyond that is delay. */
interface Delay {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: 'embedded' },
    runner: { type: 'string', default: 'auto' },
    tokens: { type: 'string', default: '400' },
    repeat: { type: 'string', default: '5' },
    json: { type: 'boolean', default: false },
  },
});

const results = [{ case: 'idle', ...(await repeated(() => sleep(1000))) }];
for (const threads of [1, 2]) {
  const runner = values.runner as NonNullable<LoadOptions['runner']>; // load checks it
  await using model = await load(values.model, { threads, runner });
  const generate = (concurrency: number) => async () => {
    const calls = Array.from({ length: concurrency }, (_, seed) =>
      model.generate('It was a dark and stormy night, and', {
        maxTokens: Number(values.tokens),
        minTokens: Number(values.tokens),
        seed,
      }),
    );
    await Promise.all(calls);
  };
  await generate(1)(); // warm-up
  for (const concurrency of [1, 8]) {
    const delay = await repeated(generate(concurrency));
    results.push({ case: `${concurrency} generating, ${threads} compute threads`, ...delay });
  }
}

if (values.json) console.log(JSON.stringify({ machine: machine(), results }));
else {
  console.log('Event-loop delay in ms, median of the repetitions', machine());
  console.table(results);
}

async function repeated(work: () => Promise<unknown>): Promise<Delay> {
  const runs: Delay[] = [];
  for (let i = 0; i < Number(values.repeat); i++) runs.push(await delayDuring(work));
  const of = (pick: (delay: Delay) => number) => Number(median(runs.map(pick)).toFixed(2));
  return { p50: of((run) => run.p50), p99: of((run) => run.p99), max: of((run) => run.max) };
}

async function delayDuring(work: () => Promise<unknown>): Promise<Delay> {
  const monitor = monitorEventLoopDelay({ resolution: 1 });
  monitor.enable();
  await work();
  monitor.disable();
  const ms = (nanoseconds: number) => nanoseconds / 1e6;
  return { p50: ms(monitor.percentile(50)), p99: ms(monitor.percentile(99)), max: ms(monitor.max) };
}
