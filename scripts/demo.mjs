// What `npm run demo` shows: the embedded model continues a prompt, given as an argument or ours.
import { load } from '../dist/src/index.js';

const prompt = process.argv[2] ?? 'It was a dark and stormy night, and';

const model = await load('embedded');
process.stdout.write(`\n${prompt}`);
const stream = model.stream(prompt, { maxTokens: 120, temperature: 0.8, topP: 0.95, seed: 42 });
for await (const { text } of stream) process.stdout.write(text);

const { usage, timings } = await stream.result;
const { parameterCount, precision, device, threads } = model.info();
console.log(`

GPT-2 of ${(parameterCount / 1e6).toFixed(1)} million parameters, trained for this project on public-domain novels, ${precision} on
the ${device.toUpperCase()} with ${threads} threads: ${usage.completionTokens} tokens, the first after ${timings.timeToFirstTokenMs?.toFixed(0)} ms, then ${(1000 / (timings.perTokenMs ?? Number.NaN)).toFixed(0)} per second.
Next: npm run demo -- "Your own beginning", npx inhouse chat, or the API in README.md.`);
await model.dispose();
