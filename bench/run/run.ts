// Runs a plan: in every repetition each setup is loaded, all its cases are measured once, and it is disposed of. So the
// repetitions of one case lie far apart, whatever else the machine does in between falls on all cases alike, and only
// one model is in memory at a time.
import { type Checkpoint, openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { parsePrecision } from '../../src/graph/precision.js';
import { type PreparedModel, prepareModel } from '../../src/graph/prepare.js';
import type { Runner } from '../../src/runtime/runner.js';
import { deviceSettings, graphDevice } from './devices.js';
import { deviceMemory, measureCase, rowOptions } from './measure.js';
import { type BenchCase, type BenchPlan, inOrderOf, mostRows, type Setup } from './plan.js';
import { Random } from './random.js';
import { type BenchResult, hasFloor, type LoadSample, type SetupSamples, summarise } from './results.js';
import { openRunner } from './runners.js';

export interface BenchProgress {
  /** From 0. */
  readonly repetition: number;
  readonly repetitions: number;
  readonly setup: Setup;
  readonly doing: BenchCase | 'quantize' | 'load';
}

export interface BenchTools {
  /** The folder of derived files, for the graph. */
  readonly home: string;
  /** Bytes per second that a step of this setup could read at most; undefined where that cannot be measured. */
  readonly readBandwidth: (setup: Pick<Setup, 'device' | 'threads'>) => Promise<number | undefined>;
  readonly onProgress: (progress: BenchProgress) => void;
  /** Aborting it ends the run with the results of what has been measured so far. */
  readonly signal: AbortSignal;
}

/** Prompts are made of the same random tokens in every run. */
const SEED = 1;

/** Throws what opening the checkpoint, preparing it and running it throw. */
export async function runBench(
  checkpoint: Checkpoint,
  plan: BenchPlan,
  tools: BenchTools,
): Promise<readonly BenchResult[]> {
  const all = plan.setups.map(
    (setup): SetupSamples => ({
      setup,
      loads: [],
      cases: plan.cases.map((measured) => ({ measured, samples: [], bandwidths: [] })),
    }),
  );
  const run = new BenchRun(checkpoint.folder, plan, tools);
  try {
    for (const setup of plan.setups) await run.prepare(setup);
    for (let repetition = 0; repetition < plan.repetitions; repetition++) {
      for (const samples of inOrderOf(repetition, all)) await run.repeat(repetition, samples);
    }
  } catch (error) {
    if (!tools.signal.aborted || error !== tools.signal.reason) throw error;
  }
  return all.flatMap((samples) => summarise(samples, checkpoint.config));
}

/** Takes the samples of one run. */
class BenchRun {
  readonly #folder: string;
  readonly #plan: BenchPlan;
  readonly #tools: BenchTools;
  readonly #random = new Random(SEED);

  constructor(folder: string, plan: BenchPlan, tools: BenchTools) {
    this.#folder = folder;
    this.#plan = plan;
    this.#tools = tools;
  }

  /** Writes the weights in this precision where that was not done before: no part of a load that is measured. */
  async prepare(setup: Setup): Promise<void> {
    this.#report(0, setup, 'quantize');
    await this.#prepared(setup);
  }

  /** Loads the setup, adds one sample of the load and of every case, and disposes of it. */
  async repeat(repetition: number, { setup, loads, cases }: SetupSamples): Promise<void> {
    const { signal, readBandwidth } = this.#tools;
    this.#report(repetition, setup, 'load');
    const begin = performance.now();
    const { runner, weightBytes } = await this.#open(setup);
    try {
      loads.push({ ...(await this.#loaded(runner, begin)), weightBytes });
      for (const { measured, samples, bandwidths } of inOrderOf(repetition, cases)) {
        this.#report(repetition, setup, measured);
        const bandwidth = hasFloor(measured) ? await readBandwidth(setup) : undefined;
        samples.push(await measureCase(runner, measured, { random: this.#random, signal }));
        if (bandwidth !== undefined) bandwidths.push(bandwidth);
      }
    } finally {
      await runner.dispose();
    }
  }

  #report(repetition: number, setup: Setup, doing: BenchProgress['doing']): void {
    this.#tools.signal.throwIfAborted();
    this.#tools.onProgress({ repetition, repetitions: this.#plan.repetitions, setup, doing });
  }

  /** From the folder, as `load()` does it. */
  async #open(setup: Setup): Promise<{ readonly runner: Runner; readonly weightBytes: number }> {
    const { config, weightBytes, ...prepared } = await this.#prepared(setup);
    const { threads } = setup;
    const device = deviceSettings(setup.device);
    const options = { config, ...prepared, maxRows: mostRows(this.#plan), threads, device };
    return { runner: await openRunner(setup.runner, options), weightBytes };
  }

  async #prepared({ precision, device }: Setup): Promise<PreparedModel & Pick<Checkpoint, 'config'>> {
    const { home, signal } = this.#tools;
    const checkpoint = await openCheckpoint(this.#folder);
    const options = { precision: parsePrecision(precision), device: graphDevice(device), signal };
    return { config: checkpoint.config, ...(await prepareModel(checkpoint, home, options)) };
  }

  /** Weights are mapped, and read when first used: only after a first token is the load over and the RSS whole. */
  async #loaded(runner: Runner, begin: number): Promise<Omit<LoadSample, 'weightBytes'>> {
    const ms = performance.now() - begin;
    const { computeType, runtimeVersion, vocabularySize } = runner.info;
    await runner.openRow(0, rowOptions(runner));
    await runner.prefill(0, this.#random.tokens(1, vocabularySize), { sample: true });
    const firstTokenMs = performance.now() - begin;
    await runner.closeRow(0);
    const { kv, device } = await runner.statistics();
    return {
      ms,
      firstTokenMs,
      rssBytes: process.memoryUsage.rss(),
      ...deviceMemory(device),
      kvBytesPerToken: kv.bytesPerToken,
      computeType,
      runtimeVersion,
    };
  }
}
