// Whether memory grows when models are loaded, used and disposed of again and again.
// Usage: node --expose-gc dist/bench/load-cycles.js [--cycles 200] [--model embedded] [--json]
import { parseArgs } from 'node:util';
import { load } from '../src/index.js';
import { machine } from './machine.js';
import { trend } from './statistics.js';

const { values } = parseArgs({
  options: {
    cycles: { type: 'string', default: '200' },
    model: { type: 'string', default: 'embedded' },
    json: { type: 'boolean', default: false },
  },
});
const cycles = Number(values.cycles);
/** The allocator and the compiler settle first; the trend is that of what follows. */
const settled = Math.floor(cycles / 4);

const residentMb: number[] = [];
for (let cycle = 0; cycle < cycles; cycle++) {
  const model = await load(values.model);
  await model.generate('It was a dark and stormy night, and', { maxTokens: 16, seed: cycle });
  await model.dispose();
  globalThis.gc?.();
  residentMb.push(process.memoryUsage.rss() / 1e6);
  if (!values.json && (cycle + 1) % 20 === 0)
    console.log(`cycle ${cycle + 1}: ${residentMb.at(-1)!.toFixed(1)} MB`);
}

const { slope, standardError } = trend(residentMb.slice(settled));
const result = {
  cycles,
  firstMb: residentMb[0],
  lastMb: residentMb.at(-1),
  slopeKbPerCycle: slope * 1000,
  standardErrorKb: standardError * 1000,
};
if (values.json) console.log(JSON.stringify({ machine: machine(), ...result }));
else console.log(`RSS after cycle ${settled}, by cycle`, machine(), result);
