// Plane E: models that compute, with and without governance, in turns, and waits of retries while one generates.
import { govern } from '../../src/governance/governed-provider.js';
import { PricingCatalogue } from '../../src/governance/pricing/catalogue.js';
import { inhouseHome } from '../../src/home.js';
import { load } from '../../src/load.js';
import { local } from '../../src/providers/local.js';
import type { CompletionRequest, Provider } from '../../src/providers/provider.js';
import { median } from '../statistics.js';
import { syntheticCheckpoint, syntheticShapes } from '../synthetic.js';
import type { Benchmark } from './benchmark.js';
import { meanOf, overheadOf, type Pair } from './distribution.js';
import { residentBytes } from './heap.js';
import { waitsBeforeAttempts } from './retry.js';
import { judged, type Row } from './row.js';
import { countingSdk, everythingOn } from './subject.js';

const PROMPT = 'It was a dark and stormy night, and';
/** For a checkpoint without a tokenizer: as many tokens. */
const PROMPT_IDS = [1026, 373, 257, 3223, 290, 6388, 88, 1755, 11, 290];
/** Tokens of a call, with the share of its time that governance may take. */
const LENGTHS = [
  { maxTokens: 1, target: { atMost: 5 } },
  { maxTokens: 8, target: { atMost: 5 } },
  { maxTokens: 64, target: { atMost: 0.8 }, acceptable: { atMost: 5 } },
];
const LEAK_CALLS = 100;
/** The fastest of the published table of models, and the others beside it. */
const FASTEST = { latencyMs: 50, usdPerMillion: 0.1, context: 131_072 };
const PUBLISHED_TABLE =
  'Published: Llama 3.1 8B 50 ms, 0.10 USD, 131 072; 70B 150 ms, 0.88 USD, 131 072; 405B 500 ms, 5.00 USD, 131 072; ' +
  'DeepSeek-R1 200 ms, 0.14 USD, 32 768; Coder 100 ms, 0.14 USD, 65 536.';

export const endToEnd: Benchmark = {
  name: 'end_to_end',
  about: 'governance around models that compute',
  async measure({ generations, generationModels }) {
    const rows: Row[] = [];
    for (const name of generationModels) rows.push(...(await ofModel(name, generations)));
    return rows;
  },
};

/** A model to generate with, and its request but for the length. */
interface Subject {
  readonly name: string;
  readonly provider: Provider;
  readonly request: CompletionRequest;
}

async function ofModel(name: string, generations: number): Promise<Row[]> {
  const sdk = countingSdk();
  await using model = await load(name === 'embedded' ? name : await synthetic(name));
  const options = everythingOn('enforced', sdk);
  const prompt = name === 'embedded' ? PROMPT : PROMPT_IDS;
  // Ids have no text to filter.
  const policies = options.policies?.filter(
    (policy) => prompt === PROMPT || policy.name !== 'content_filter',
  );
  const { id, contextLength, eosTokenIds } = model.info();
  // Nothing ends a generation before its length.
  const logitBias = Object.fromEntries(eosTokenIds.map((token) => [token, -100]));
  const request = { model: id, prompt, temperature: 0, logitBias };
  const bare: Subject = { name, provider: local(model), request };
  const governed: Subject = { ...bare, provider: govern(bare.provider, { ...options, policies }) };
  const rows: Row[] = [];
  for (const length of LENGTHS) rows.push(...(await overhead(bare, governed, length, generations)));
  rows.push(...(await tableRow(bare, contextLength)));
  if (name === 'embedded') rows.push(await growth(governed), await waitsWhileGenerating(bare));
  await sdk.shutdown();
  return rows;
}

async function synthetic(name: string): Promise<string> {
  return syntheticCheckpoint(name, syntheticShapes().get(name)!, inhouseHome());
}

interface Generation {
  readonly wallMs: number;
  readonly cpuMs: number;
  /** Wall time less what the provider says that it took. */
  readonly outsideMs: number;
}

/** Pairs of the same generation, the order changing from pair to pair. */
async function overhead(
  bare: Subject,
  governed: Subject,
  { maxTokens, target, acceptable }: (typeof LENGTHS)[number],
  count: number,
): Promise<Row[]> {
  for (const subject of [bare, governed]) await generate(subject, maxTokens);
  const [without, with_] = [() => generate(bare, maxTokens), () => generate(governed, maxTokens)];
  const pairs: { readonly without: Generation; readonly with_: Generation }[] = [];
  for (let pair = 0; pair < count; pair++) {
    if (pair % 2 === 0) pairs.push({ without: await without(), with_: await with_() });
    else pairs.push({ with_: await with_(), without: await without() });
  }
  const share = (figure: keyof Generation, middle: typeof meanOf) => {
    // What was added, to the whole of what it was added to.
    const whole = figure === 'outsideMs' ? 'wallMs' : figure;
    const times = pairs.map(({ without, with_ }): Pair => {
      return [without[whole], without[whole] + with_[figure] - without[figure]];
    });
    const { percent, interval } = overheadOf(times, middle);
    const [low, high] = interval.map((value) => value.toFixed(2));
    return { ours: percent, reason: `95 % interval ${low} to ${high} (bootstrap), ${count} pairs.` };
  };
  const facts = { plane: 'E', unit: '%' } as const;
  const rows = Object.entries({ mean: meanOf, median }).map(([name, middle]) =>
    judged({
      ...facts,
      ...share('wallMs', middle),
      id: 'A-03',
      name: `${bare.name}: ${name} overhead on ${maxTokens} tokens`,
      target,
      acceptable,
    }),
  );
  rows.push(
    judged({
      ...facts,
      ...share('outsideMs', meanOf),
      id: 'A-03',
      name: `${bare.name}: mean overhead on ${maxTokens} tokens, outside the engine`,
      target,
      acceptable,
    }),
  );
  if (maxTokens < 64) return rows;
  return [
    ...rows,
    judged({
      ...facts,
      ...share('cpuMs', meanOf),
      id: 'T-06',
      name: `${bare.name}: processor time on ${maxTokens} tokens, over no governance`,
      seed: 5,
      target: { atMost: 5 },
    }),
    judged({
      id: 'T-32',
      name: `${bare.name}: most time outside the engine, ${maxTokens} tokens`,
      plane: 'E',
      seed: 0.1,
      ours: Math.max(...pairs.map(({ with_: { outsideMs } }) => outsideMs)) / 1000,
      unit: 's',
      target: { atMost: 0.1 },
    }),
  ];
}

/** The local model's row for the published table of models. */
async function tableRow(subject: Subject, contextLength: number): Promise<Row[]> {
  const latencies: number[] = [];
  for (let call = 0; call < 5; call++) latencies.push((await generate(subject, 8)).wallMs);
  const price = new PricingCatalogue().lookup('gpt2', 'gpt2')!;
  const facts = { id: 'T-40', plane: 'E' } as const;
  const use = 'Use: short texts, drafts and tests that must not leave the machine.';
  return [
    judged({
      ...facts,
      name: `${subject.name}: latency, 8 tokens`,
      seed: FASTEST.latencyMs,
      ours: median(latencies),
      unit: 'ms',
      reason: `${PUBLISHED_TABLE} ${use}`,
    }),
    judged({
      ...facts,
      name: `${subject.name}: price of a million tokens written`,
      seed: FASTEST.usdPerMillion,
      ours: price.outputCostPerMillion,
      unit: 'USD',
    }),
    judged({
      ...facts,
      name: `${subject.name}: context`,
      seed: FASTEST.context,
      ours: contextLength,
      unit: 'tokens',
    }),
  ];
}

async function generate({ provider, request }: Subject, maxTokens: number): Promise<Generation> {
  const cpuBefore = process.cpuUsage();
  const startedMs = performance.now();
  const { timings } = await provider.complete({ ...request, maxTokens });
  const wallMs = performance.now() - startedMs;
  const { user, system } = process.cpuUsage(cpuBefore);
  return { wallMs, cpuMs: (user + system) / 1000, outsideMs: wallMs - timings.totalMs };
}

async function growth(governed: Subject): Promise<Row> {
  await generate(governed, 8);
  const before = await residentBytes();
  for (let call = 0; call < LEAK_CALLS; call++) await generate(governed, 8);
  return judged({
    id: 'T-27',
    name: `resident memory after ${LEAK_CALLS} generations`,
    plane: 'E',
    seed: 100,
    ours: ((await residentBytes()) - before) / 1e6,
    unit: 'MB',
    target: { atMost: 100 },
  });
}

/** The model generates as long as the retries of another provider wait. */
async function waitsWhileGenerating(bare: Subject): Promise<Row> {
  let waiting = true;
  const busy = (async () => {
    while (waiting) await generate(bare, 8);
  })();
  const waits = await waitsBeforeAttempts().finally(() => {
    waiting = false;
  });
  await busy;
  const deviations = waits.map(({ expectedMs, medianMs }) => Math.abs(medianMs / expectedMs - 1) * 100);
  return judged({
    id: 'C-68',
    name: 'largest deviation of the waits of 1, 2 and 4 s while the model generates',
    plane: 'E',
    ours: Math.max(...deviations),
    unit: '%',
    target: { atMost: 0.2 },
    acceptable: { atMost: 1 },
  });
}
