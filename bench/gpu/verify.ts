// The whole verification on a CUDA machine, part by part; bench/gpu/verify.sh starts it. After every part, and every
// result of those that take long, all that is known is written, so that nothing is lost when time or the machine ends.
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { inhouseHome } from '../../src/home.js';
import { packageRoot } from '../../src/package-root.js';
import { gpuStatistics } from '../../src/runtime/native/memory.js';
import { machine } from '../machine.js';
import { deviceLabel } from '../run/devices.js';
import { syntheticCheckpoint, syntheticShapes } from '../synthetic.js';
import { inOwnProcess } from './child.js';
import { contractResults, labelOf } from './contract.js';
import { environment } from './environment.js';
import { DRY_SIZES, PARTS, type PartName, PRECISIONS, SIZES, type VerifiedPrecision } from './plan.js';
import { type GpuReport, type PartState, printedTargets, slug, targetsOf } from './report.js';
import type { Task, TaskResult } from './tasks.js';
import { torchResults } from './torch.js';

const { values: flags } = parseArgs({
  options: {
    'dry-run': { type: 'boolean', default: false },
    parts: { type: 'string', default: PARTS.join() },
    device: { type: 'string', default: 'cuda:0' },
    minutes: { type: 'string', default: '9' },
    output: { type: 'string' },
    python: { type: 'string', default: 'python3' },
  },
});

/** Most seconds of each part; together more than there are, for parts that are quick leave time to others. */
const LIMITS_S: Readonly<Record<PartName, number>> = {
  environment: 120,
  agreement: 60,
  speed: 150,
  engine: 90,
  torch: 180,
  contract: 200,
  'more-speed': 240,
};

const dryRun = flags['dry-run'];
const sizes = dryRun ? DRY_SIZES : SIZES;
const device = dryRun ? 'cpu-as-device' : deviceLabel(flags.device);
const endMs = performance.now() + Number(flags.minutes) * 60_000;
const wanted = flags.parts.split(',');
const [gpu] = await gpuStatistics();

let report: GpuReport = {
  machine: machine(),
  command: ['bench/gpu/verify.sh', ...process.argv.slice(2)].join(' '),
  startedAt: new Date().toISOString(),
  dryRun,
  shape: sizes.shape,
  parts: [],
  environment: null,
  agreement: [],
  speed: [],
  engine: [],
  torch: [],
  contract: [],
  targets: [],
};

/** One at a time, so that a slow disk never leaves an older state behind. */
let writing: Promise<void> = Promise.resolve();

function note(found: Partial<GpuReport>): Promise<void> {
  report = { ...report, ...found };
  const written = { ...report, targets: targetsOf(report) };
  writing = writing.then(() => write(outputFile(), written));
  return writing;
}

/** A half-written file never takes the place of a whole one. */
async function write(file: string, content: GpuReport): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(`${file}.part`, `${JSON.stringify(content, undefined, 1)}\n`);
  await rename(`${file}.part`, file);
}

function outputFile(): string {
  if (flags.output !== undefined) return flags.output;
  if (dryRun) return join(tmpdir(), 'inhouse-verify-dry-run.json');
  return join(packageRoot(), 'bench', 'results', `cuda-${slug(gpu?.name ?? 'unknown')}.json`);
}

const PARTS_TO_RUN: Readonly<Record<PartName, (seconds: number) => Promise<void>>> = {
  environment: async () => {
    const found = await environment(flags.python);
    for (const missing of found.missing) process.stderr.write(`missing: ${missing}\n`);
    await note({ environment: found });
  },
  agreement: (seconds) =>
    forEach(PRECISIONS, seconds, (precision, left) => measured('agreement', precision, device, left)),
  speed: (seconds) => measured('speed', 'fp16', device, seconds),
  engine: (seconds) => measured('engine', 'fp16', device, seconds),
  torch: async (seconds) => {
    const shape = syntheticShapes().get(sizes.shape)!;
    await torchResults(shape, sizes, {
      python: flags.python,
      signal: AbortSignal.timeout(Math.ceil(seconds * 1000)),
      seconds: seconds * 0.9,
      onResult: (result) => void note({ torch: [...report.torch, result] }),
    });
  },
  contract: async (seconds) => {
    await contractResults(device, AbortSignal.timeout(Math.ceil(seconds * 1000)), (result) => {
      void note({ contract: [...report.contract, result] });
    });
  },
  'more-speed': (seconds) =>
    forEach(MORE_SPEED, seconds, ([precision, on], left) => measured('speed', precision, on, left)),
};

/** FP16 with CUDA graphs, then the other precisions. */
const MORE_SPEED: ReadonlyArray<readonly [VerifiedPrecision, string]> = [
  ...(dryRun ? [] : [['fp16', `${device}+graphs`] as const]),
  ...PRECISIONS.filter((precision) => precision !== 'fp16').map((precision) => [precision, device] as const),
];

async function measured(
  part: Task['part'],
  precision: VerifiedPrecision,
  on: string,
  seconds: number,
): Promise<void> {
  process.stderr.write(`  ${part} ${precision} ${on}\n`);
  const home = inhouseHome();
  const folder = await syntheticCheckpoint(sizes.shape, syntheticShapes().get(sizes.shape)!, home);
  const task: Task = { part, precision, device: on, sizes, seconds, folder, home };
  await inOwnProcess(task, (result) => void note(withResult(result)));
}

function withResult(result: TaskResult): Partial<GpuReport> {
  if ('agreement' in result) return { agreement: [...report.agreement, result.agreement] };
  if ('engine' in result) return { engine: [...report.engine, result.engine] };
  return { speed: [...report.speed, ...result.speed] };
}

/** Goes on after a failure, and fails with all of them in the end. */
async function forEach<Item>(
  items: readonly Item[],
  seconds: number,
  work: (item: Item, secondsLeft: number) => Promise<void>,
): Promise<void> {
  const untilMs = performance.now() + seconds * 1000;
  const failures: string[] = [];
  for (const item of items) {
    const left = (untilMs - performance.now()) / 1000;
    if (left < 1) failures.push(`${item}: no time left`);
    else await work(item, left).catch((error: Error) => failures.push(`${item}: ${error.message}`));
  }
  if (failures.length > 0) throw new Error(failures.join('; '));
}

async function runPart(name: PartName): Promise<PartState> {
  const left = (endMs - performance.now()) / 1000;
  if (!wanted.includes(name)) return { name, state: 'left out', reason: 'not asked for', seconds: 0 };
  if (left < 5) return { name, state: 'left out', reason: 'no time left', seconds: 0 };
  process.stderr.write(`${name} ...\n`);
  const beginMs = performance.now();
  const failure = await PARTS_TO_RUN[name](Math.min(left, LIMITS_S[name])).then(
    () => null,
    (error: Error) => error.message,
  );
  if (failure !== null) process.stderr.write(`${name} failed: ${failure}\n`);
  const seconds = (performance.now() - beginMs) / 1000;
  return { name, state: failure === null ? 'done' : 'failed', reason: failure, seconds };
}

for (const name of PARTS) await note({ parts: [...report.parts, await runPart(name)] });

process.stdout.write(`${printedTargets(targetsOf(report))}\nWritten: ${outputFile()}\n`);
const wrong = [
  ...report.parts.filter(({ state }) => state === 'failed').map(({ name, reason }) => `${name}: ${reason}`),
  ...report.agreement
    .filter(({ ok }) => !ok)
    .map(({ precision, reference }) => `${precision} differs from ${reference}`),
  ...report.contract
    .filter(({ failed }) => failed > 0)
    .map((result) => `${labelOf(result)}: ${result.failed} tests failed`),
];
for (const line of wrong) process.stdout.write(`WRONG: ${line}\n`);
process.exitCode = wrong.length > 0 ? 1 : 0;
