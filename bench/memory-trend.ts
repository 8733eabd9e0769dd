// Whether memory grows when models are loaded and disposed of again and again, or one model generates again and again.
// Usage: node --expose-gc dist/bench/memory-trend.js --loads 500 | --calls 10000 [--runner auto] [--model embedded] [--json]
import { parseArgs } from 'node:util';
import { type LoadOptions, load } from '../src/index.js';
import { machine } from './machine.js';
import { trend } from './statistics.js';

const { values } = parseArgs({
  options: {
    loads: { type: 'string' },
    calls: { type: 'string' },
    runner: { type: 'string', default: 'auto' },
    model: { type: 'string', default: 'embedded' },
    json: { type: 'boolean', default: false },
  },
});
const options = { runner: values.runner as NonNullable<LoadOptions['runner']> };
const PROMPT = 'It was a dark and stormy night, and';
/** Readings of the resident memory per run: enough for a trend, few enough that collecting garbage costs little. */
const READINGS = 100;

const [unit, steps, work] =
  values.calls === undefined
    ? (['load', Number(values.loads ?? 200), loadAndDispose] as const)
    : (['call', Number(values.calls), await generateRepeatedly()] as const);

const residentKb: number[] = [];
const stepsPerReading = Math.max(1, Math.floor(steps / READINGS));
for (let step = 1; step <= steps; step++) {
  await work(step);
  if (step % stepsPerReading !== 0) continue;
  globalThis.gc?.();
  residentKb.push(process.memoryUsage.rss() / 1000);
  if (!values.json && residentKb.length % 10 === 0) {
    console.log(`${step} ${unit}s: ${(residentKb.at(-1)! / 1000).toFixed(1)} MB`);
  }
}

// The allocators settle first: the trend is that of the second half.
const settled = residentKb.slice(Math.floor(residentKb.length / 2));
const { slope, standardError } = trend(settled);
const result = {
  runner: values.runner,
  steps,
  firstMb: residentKb[0]! / 1000,
  middleMb: settled[0]! / 1000,
  lastMb: settled.at(-1)! / 1000,
  [`slopeKbPer${unit === 'load' ? 'Load' : 'Call'}`]: slope / stepsPerReading,
  standardErrorKb: standardError / stepsPerReading,
};
if (values.json) console.log(JSON.stringify({ machine: machine(), ...result }));
else console.log('Resident memory, trend of the second half', machine(), result);

async function loadAndDispose(seed: number): Promise<void> {
  await using model = await load(values.model, options);
  await model.generate(PROMPT, { maxTokens: 16, seed });
}

async function generateRepeatedly(): Promise<(seed: number) => Promise<void>> {
  const model = await load(values.model, options);
  return async (seed) => {
    await model.generate(PROMPT, { maxTokens: 1 + (seed % 16), seed });
    if (seed === steps) await model.dispose();
  };
}
