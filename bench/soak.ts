// Keeps a model busy for a long time and reports whether anything changes meanwhile: memory, latency, failures.
// Usage: node --expose-gc dist/bench/soak.js [--minutes 60] [--synthetic gpt2 | --model embedded] [--precision fp32]
//   [--threads 2] [--runner auto] [--concurrency 16] [--every 60] [--output bench/results/soak.json]
//
// More callers than the engine computes together, so that somebody always waits. Lengths are mixed; a quarter of the
// prompts begin like others, so that the prefix cache fills and evicts; one reader in 16 leaves early.
// The file is written anew at every reading, so nothing is lost when the process ends before its time.
import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { parsePrecision } from '../src/graph/precision.js';
import { inhouseHome } from '../src/home.js';
import { type LoadOptions, load } from '../src/index.js';
import { machine } from './machine.js';
import { Random } from './run/random.js';
import { drift } from './serve-load/drift.js';
import { closedLoop, pause } from './serve-load/drive.js';
import { summarise } from './serve-load/metrics.js';
import { sendTo } from './serve-load/send.js';
import type { LoadRequest, RequestTrace } from './serve-load/trace.js';
import { syntheticCheckpoint, syntheticShapes } from './synthetic.js';
import { fixed } from './table.js';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    synthetic: { type: 'string' },
    model: { type: 'string', default: 'embedded' },
    precision: { type: 'string', default: 'fp32' },
    threads: { type: 'string', default: String(availableParallelism()) },
    runner: { type: 'string', default: 'auto' },
    concurrency: { type: 'string', default: '16' },
    every: { type: 'string', default: '60' },
    output: { type: 'string' },
  },
});
const minutes = Number(values.minutes);
const secondsApart = Number(values.every);
const concurrency = Number(values.concurrency);

/** About 4 000 positions of gpt2 at FP32: what runs and what is cached have to share. */
const KV_LIMIT_BYTES = 300e6;

const stop = new AbortController();
process.once('SIGINT', () => stop.abort());

/** The state of things at the end of an interval, and what the requests that ended in it were like. */
interface Reading {
  readonly atSeconds: number;
  readonly rssBytes: number;
  /** Of it, memory that backs rows: it rises and falls with the lengths of what is running and cached. */
  readonly kvCommittedBytes: number;
  readonly heapUsedBytes: number;
  readonly completed: number;
  readonly failures: Readonly<Record<string, number>>;
  readonly outputThroughput: number;
  readonly ttftP50Ms: number | null;
  readonly itlP95Ms: number | null;
  readonly tpotP50Ms: number | null;
  readonly e2elP50Ms: number | null;
}

const startedAt = new Date().toISOString();
const measuredOn = machine(); // before it is busy with us
const model = await load(await modelFolder(), {
  precision: parsePrecision(values.precision),
  runner: values.runner as NonNullable<LoadOptions['runner']>,
  threads: Number(values.threads),
  kvMemoryLimitBytes: KV_LIMIT_BYTES,
});

const readings: Reading[] = [];
const totals = { sent: 0, completed: 0, aborted: 0, failed: 0, outputTokens: 0 };
let ended: RequestTrace[] = [];

const durationMs = minutes * 60_000;
const beginMs = performance.now();
const working = closedLoop(
  {
    send: sendTo(model),
    nextRequest: mixedRequests(model.info().contextLength, model.info().vocabularySize),
    durationMs,
    signal: stop.signal,
    onTrace: (trace) => {
      ended.push(trace);
      totals.sent += 1;
      totals[trace.outcome.kind] += 1;
      totals.outputTokens += trace.tokenMs.length;
    },
  },
  { concurrency, batchSize: 1 },
);
for (let count = 1; count * secondsApart * 1000 <= durationMs; count++) {
  await pause(beginMs + count * secondsApart * 1000 - performance.now(), stop.signal);
  if (stop.signal.aborted) break;
  await read();
}
await working;
const report = await write();
await model.dispose();
console.log(JSON.stringify({ ...report, readings: undefined }, undefined, 2));

async function read(): Promise<void> {
  globalThis.gc?.();
  const { failures, completed, outputThroughput, ttftMs, itlMs, tpotMs, e2elMs } = summarise({
    traces: ended,
    durationMs: secondsApart * 1000,
  });
  ended = [];
  const reading: Reading = {
    atSeconds: (performance.now() - beginMs) / 1000,
    rssBytes: process.memoryUsage.rss(),
    kvCommittedBytes: (await model.statistics()).kv.committedBytes,
    heapUsedBytes: process.memoryUsage().heapUsed,
    ...{ completed, failures, outputThroughput },
    ttftP50Ms: ttftMs?.p50 ?? null,
    itlP95Ms: itlMs?.p95 ?? null,
    tpotP50Ms: tpotMs?.p50 ?? null,
    e2elP50Ms: e2elMs?.p50 ?? null,
  };
  readings.push(reading);
  await write();
  console.log(
    `${(reading.atSeconds / 60).toFixed(1)} min: RSS ${(reading.rssBytes / 1e6).toFixed(0)} MB, ` +
      `${outputThroughput.toFixed(0)} tokens/s, ${completed} completed, failures ${JSON.stringify(failures)}, ` +
      `TTFT p50 ${fixed(reading.ttftP50Ms, 0)} ms, ITL p95 ${fixed(reading.itlP95Ms, 1)} ms`,
  );
}

/** Memory is judged once the first fifth is over: caches fill and allocators settle. */
async function write() {
  const settled = readings.slice(Math.floor(readings.length / 5));
  const over = (from: readonly Reading[], pick: (reading: Reading) => number | null) =>
    drift(
      from.map(pick).filter((value) => value !== null),
      secondsApart,
    );
  const { kind: runner, precision, threads } = model.info();
  const { preemptions, prefixCache, kvLimitBytes } = await model.statistics();
  const report = {
    plane: 'E',
    machine: measuredOn,
    command: ['node dist/bench/soak.js', ...process.argv.slice(2)].join(' '),
    startedAt,
    interrupted: stop.signal.aborted,
    model: {
      id: values.synthetic ?? values.model,
      synthetic: values.synthetic !== undefined,
      runner,
      precision,
      threads,
    },
    load: { concurrency, minutes, secondsApart },
    totals,
    engine: { preemptions, prefixCache, kvLimitBytes },
    rssBytes: over(settled, ({ rssBytes }) => rssBytes),
    rssWithoutKvBytes: over(settled, ({ rssBytes, kvCommittedBytes }) => rssBytes - kvCommittedBytes),
    heapUsedBytes: over(settled, ({ heapUsedBytes }) => heapUsedBytes),
    outputThroughput: over(readings, ({ outputThroughput }) => outputThroughput),
    ttftP50Ms: over(readings, ({ ttftP50Ms }) => ttftP50Ms),
    itlP95Ms: over(readings, ({ itlP95Ms }) => itlP95Ms),
    tpotP50Ms: over(readings, ({ tpotP50Ms }) => tpotP50Ms),
    e2elP50Ms: over(readings, ({ e2elP50Ms }) => e2elP50Ms),
    readings,
  };
  if (values.output !== undefined) writeFileSync(values.output, `${JSON.stringify(report)}\n`);
  return report;
}

function mixedRequests(contextLength: number, vocabularySize: number): () => LoadRequest {
  const random = new Random(1);
  const tokens = (count: number) => random.tokens(count, vocabularySize);
  const between = (least: number, most: number) => least + Math.floor(random.uniform() * (most - least + 1));
  const [shortest, longest] = [contextLength / 64, contextLength / 4];
  const beginnings = Array.from({ length: 4 }, () => tokens(contextLength / 8));
  let count = 0;
  return () => {
    count += 1;
    const shared = count % 4 === 0 ? beginnings[between(0, 3)]! : [];
    return {
      prompt: [...shared, ...tokens(between(shortest, longest))],
      outputTokens: between(shortest, contextLength / 8),
      ...(count % 16 === 0 && { leaveAfter: shortest / 2 }),
    };
  };
}

async function modelFolder(): Promise<string> {
  const { synthetic } = values;
  if (synthetic === undefined) return values.model;
  const shape = syntheticShapes().get(synthetic);
  if (shape === undefined)
    throw new RangeError(`--synthetic: one of ${[...syntheticShapes().keys()].join(', ')}`);
  return syntheticCheckpoint(synthetic, shape, inhouseHome());
}
