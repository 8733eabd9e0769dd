// Whether a device computes what the CPU computes, on the embedded model and a real text: log-probabilities, first
// choices, a greedy continuation; and whether the candidates it picks are those of its own logits.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EMBEDDED_MODEL, embeddedModelFolder } from '../../src/checkpoint/embedded.js';
import { packageRoot } from '../../src/package-root.js';
import type { Runner, SamplingSettings } from '../../src/runtime/runner.js';
import { Tokenizer } from '../../src/tokenizer/tokenizer.js';
import { rowOptions } from '../run/measure.js';
import { type Reference, type Sizes, type Tolerance, toleranceOf, type VerifiedPrecision } from './plan.js';
import { openSubject, type Subject } from './runners.js';

/** Differences are in nats, over `tokens` of a text that is scored by both. */
export interface Agreement {
  readonly model: string;
  readonly precision: VerifiedPrecision;
  readonly reference: Reference;
  readonly tokens: number;
  readonly meanDifference: number;
  readonly mostDifference: number;
  /** Share of positions with the same most probable token. */
  readonly sameChoice: number;
  /** Tokens that a greedy continuation has in common with the reference's, from its beginning, of `continued`. */
  readonly sameContinuation: number;
  readonly continued: number;
  /** Whether greedy and top-k tokens drawn from candidates are those drawn from the full logits. */
  readonly candidatesAgree: boolean;
  readonly tolerance: Tolerance;
  readonly ok: boolean;
}

const PROMPT_TOKENS = 32;
const CPU_THREADS = 4;

/** Ways to choose a token that candidates can serve. */
const SERVED: ReadonlyArray<Partial<SamplingSettings>> = [
  { temperature: 0 },
  { temperature: 0.8, topK: 40, topP: 0.95, seed: 7 },
  { temperature: 1.2, topK: 8, minP: 0.02, seed: 8 },
];

export async function agreement(
  subject: Omit<Subject, 'folder'>,
  reference: Reference,
  size: Sizes['text'],
): Promise<Agreement> {
  const folder = embeddedModelFolder();
  const text = await readFile(join(packageRoot(), 'models', 'compare-text.txt'), 'utf8');
  const ids = (await Tokenizer.open(folder)).encode(text);
  const cpu = await openSubject({ ...subject, folder, device: reference }, 1, CPU_THREADS);
  try {
    const device = await openSubject({ ...subject, folder }, 1);
    try {
      const figures = await compare(cpu.runner, device.runner, ids, size);
      return judged(figures, subject.precision, reference);
    } finally {
      await device.runner.dispose();
    }
  } finally {
    await cpu.runner.dispose();
  }
}

type Figures = Omit<Agreement, 'model' | 'precision' | 'reference' | 'tolerance' | 'ok'>;

async function compare(
  cpu: Runner,
  device: Runner,
  ids: readonly number[],
  size: Sizes['text'],
): Promise<Figures> {
  const tokens = ids.slice(0, Math.min(size.tokens, cpu.info.contextLength));
  const [expected, got] = [await cpu.score(tokens), await device.score(tokens)];
  const differences = [...expected.logprobs].map((logprob, i) => Math.abs(logprob - got.logprobs[i]!));
  const choices = [...expected.argmax].filter((token, i) => token === got.argmax[i]).length;
  const prompt = ids.slice(0, PROMPT_TOKENS);
  const [ofCpu, ofDevice] = [
    await continued(cpu, prompt, size.continued),
    await continued(device, prompt, size.continued),
  ];
  const differs = ofCpu.findIndex((token, i) => token !== ofDevice[i]);
  return {
    tokens: tokens.length,
    meanDifference: differences.reduce((sum, one) => sum + one, 0) / differences.length,
    mostDifference: Math.max(...differences), // NaN where any is
    sameChoice: choices / differences.length,
    sameContinuation: differs < 0 ? ofCpu.length : differs,
    continued: ofCpu.length,
    candidatesAgree: await candidatesAgree(device, prompt, size.continued),
  };
}

function judged(figures: Figures, precision: VerifiedPrecision, reference: Reference): Agreement {
  const tolerance = toleranceOf(precision, reference);
  const ok =
    figures.meanDifference <= tolerance.mean &&
    figures.mostDifference <= tolerance.most &&
    figures.sameChoice >= tolerance.sameChoice &&
    figures.candidatesAgree;
  return { model: EMBEDDED_MODEL, precision, reference, ...figures, tolerance, ok };
}

/** A bias of nothing has the full logits fetched: the tokens must be the same. */
async function candidatesAgree(device: Runner, prompt: readonly number[], count: number): Promise<boolean> {
  for (const settings of SERVED) {
    const served = await continued(device, prompt, count, settings);
    const fetched = await continued(device, prompt, count, {
      ...settings,
      logitBias: { ids: [0], values: [0] },
    });
    if (served.join() !== fetched.join()) return false;
  }
  return true;
}

async function continued(
  runner: Runner,
  prompt: readonly number[],
  count: number,
  settings: Partial<SamplingSettings> = {},
): Promise<readonly number[]> {
  const usual = rowOptions(runner);
  await runner.openRow(0, { ...usual, prompt, sampling: { ...usual.sampling, ...settings } });
  const first = await runner.prefill(0, prompt, { sample: true });
  const [rest] = await runner.decode(1, count - 1);
  await runner.closeRow(0);
  return [first, ...rest!].map(({ token }) => token);
}
