// Plane E: the embedded model with and without governance, in turns, and waits of retries while it generates.
import { govern } from '../../src/governance/governed-provider.js';
import { load } from '../../src/load.js';
import { local } from '../../src/providers/local.js';
import type { Provider } from '../../src/providers/provider.js';
import type { Benchmark } from './benchmark.js';
import { distribution } from './distribution.js';
import { residentBytes } from './heap.js';
import { waitsBeforeAttempts } from './retry.js';
import { judged, type Row } from './row.js';
import { countingSdk, everythingOn } from './subject.js';

const PROMPT = 'It was a dark and stormy night, and';
/** Tokens of a call, with the share of its time that governance may take. */
const LENGTHS = [
  { maxTokens: 1, target: { atMost: 5 } },
  { maxTokens: 8, target: { atMost: 5 } },
  { maxTokens: 64, target: { atMost: 0.8 }, acceptable: { atMost: 5 } },
];
const LEAK_CALLS = 100;

export const endToEnd: Benchmark = {
  name: 'end_to_end',
  about: 'governance around the embedded model',
  async measure({ generations }) {
    const sdk = countingSdk();
    await using model = await load('embedded');
    const bare = local(model);
    const governed = govern(bare, everythingOn('enforced', sdk));
    const rows: Row[] = [];
    for (const length of LENGTHS) rows.push(...(await overhead(bare, governed, length, generations)));
    rows.push(await growth(governed), await waitsWhileGenerating(bare));
    await sdk.shutdown();
    return rows;
  },
};

interface Generation {
  readonly wallMs: number;
  readonly cpuMs: number;
  /** Wall time less what the provider says that it took. */
  readonly outsideMs: number;
}

/** Pairs of the same generation, the order changing from pair to pair. */
async function overhead(
  bare: Provider,
  governed: Provider,
  { maxTokens, target, acceptable }: (typeof LENGTHS)[number],
  pairs: number,
): Promise<Row[]> {
  const without: Generation[] = [];
  const with_: Generation[] = [];
  for (const provider of [bare, governed]) await generate(provider, maxTokens);
  for (let pair = 0; pair < pairs; pair++) {
    if (pair % 2 === 0) without.push(await generate(bare, maxTokens));
    with_.push(await generate(governed, maxTokens));
    if (pair % 2 === 1) without.push(await generate(bare, maxTokens));
  }
  const share = (figure: 'wallMs' | 'cpuMs') => {
    const baseline = distribution(without.map((generation) => generation[figure])).mean;
    const differences = with_.map((generation, i) => generation[figure] - without[i]![figure]);
    const { mean, interval } = distribution(differences);
    const percent = (ms: number) => (ms / baseline) * 100;
    const [low, high] = interval.map((ms) => percent(ms).toFixed(2));
    return { ours: percent(mean), reason: `95 % interval ${low} to ${high}, ${pairs} pairs.` };
  };
  const facts = { plane: 'E', unit: '%' } as const;
  const rows = [
    judged({
      ...facts,
      ...share('wallMs'),
      id: 'A-03',
      name: `overhead on ${maxTokens} tokens`,
      target,
      acceptable,
    }),
  ];
  if (maxTokens < 64) return rows;
  return [
    ...rows,
    judged({
      ...facts,
      ...share('cpuMs'),
      id: 'T-06',
      name: `processor time on ${maxTokens} tokens, over no governance`,
      seed: 5,
      target: { atMost: 5 },
    }),
    judged({
      id: 'T-32',
      name: `most time outside the engine, ${maxTokens} tokens`,
      plane: 'E',
      seed: 0.1,
      ours: Math.max(...with_.map(({ outsideMs }) => outsideMs)) / 1000,
      unit: 's',
      target: { atMost: 0.1 },
    }),
  ];
}

async function generate(provider: Provider, maxTokens: number): Promise<Generation> {
  const cpuBefore = process.cpuUsage();
  const startedMs = performance.now();
  const { timings } = await provider.complete({
    model: 'embedded',
    prompt: PROMPT,
    maxTokens,
    temperature: 0,
  });
  const wallMs = performance.now() - startedMs;
  const { user, system } = process.cpuUsage(cpuBefore);
  return { wallMs, cpuMs: (user + system) / 1000, outsideMs: wallMs - timings.totalMs };
}

async function growth(governed: Provider): Promise<Row> {
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
async function waitsWhileGenerating(bare: Provider): Promise<Row> {
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
