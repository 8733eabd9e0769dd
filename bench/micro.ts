// What the work around the model costs on the caller's side and in the portable runner: tokenizing and sampling.
// Usage: node dist/bench/micro.js
import { Bench } from 'tinybench';
import { embeddedModelFolder } from '../src/checkpoint/embedded.js';
import { Sampler } from '../src/runtime/sampling/sampler.js';
import { Tokenizer } from '../src/tokenizer/tokenizer.js';
import { machine } from './machine.js';
import { GREEDY } from './run/measure.js';
import { Random } from './run/random.js';

const GPT2_VOCABULARY = 50_257;
const TEXT = 'It was a dark and stormy night, and the rain fell in torrents; '.repeat(160); // 10 kB

const tokenizer = await Tokenizer.open(embeddedModelFolder());
const ids = tokenizer.encode(TEXT);
const logits = new Float32Array(GPT2_VOCABULARY);
new Random(1).fillNormal(logits, 3);

const bench = new Bench({ time: 500 })
  .add('encode 10 kB', () => tokenizer.encode(TEXT))
  .add('decode the same', () => tokenizer.decode(ids));
for (const [name, settings] of Object.entries({
  greedy: { temperature: 0 },
  'temperature 0.8': {},
  'top-k 50': { topK: 50 },
  'top-p 0.95': { topP: 0.95 },
})) {
  const sampler = new Sampler({ ...GREEDY, temperature: 0.8, ...settings }, [], [], GPT2_VOCABULARY);
  bench.add(`sample of 50 257, ${name}`, () => sampler.choose(logits));
}
await bench.run();
console.log(machine());
console.table(bench.table());
