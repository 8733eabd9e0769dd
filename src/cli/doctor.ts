// `inhouse doctor`: says whether this machine can run the package, how, and what to do where it cannot.
import type { Command } from 'commander';
import type { CacheFacts, DoctorReport } from './doctor-report.js';
import { EXIT } from './failure.js';
import { formatBytes, table, writeLine } from './output.js';

export function addDoctor(program: Command): void {
  program
    .command('doctor')
    .description(
      'Check Node.js, ONNX Runtime, the processor, memory, GPU and caches; exit 1 if something is broken.',
    )
    .option('--json', 'print one JSON object')
    .action(doctor);
}

async function doctor({ json }: { readonly json?: boolean }): Promise<void> {
  const { doctorReport } = await import('./doctor-report.js');
  const report = await doctorReport();
  await writeLine(json ? JSON.stringify(report) : describe(report));
  if (!report.ok) process.exitCode = EXIT.failure;
}

function describe(report: DoctorReport): string {
  const { version, node, runtime, addon, selfTest, cpu, memory, gpus, caches, environment } = report;
  const limit = memory.limitBytes === null ? '' : `, limited to ${formatBytes(memory.limitBytes)}`;
  const set = Object.entries(environment).filter(([, value]) => value !== null);
  const rows = [
    ['inhouse', version],
    ['node', `${node.version} on ${node.platform} ${node.arch}`],
    ['runtime', runtime === null ? 'not installed' : `ONNX Runtime ${runtime.version}`],
    ['library', runtime?.file ?? 'missing'],
    ['INT8, INT4', addon.quantizedProducts],
    ['runner', addon.inUse ? `native, ${addon.detail}` : `portable: ${addon.detail}`],
    ...each('provider', report.providers.map(describeProvider)),
    ['self-test', describeSelfTest(selfTest)],
    ['cuda', describeCuda(report)],
    ['cpu', `${cpu.model}, ${cpu.available} available`],
    ['cpu features', cpu.features?.join(' ') ?? 'unknown'],
    ['memory', `${formatBytes(memory.totalBytes)}, ${formatBytes(memory.freeBytes)} free${limit}`],
    ...each('gpu', gpus.map(describeGpu), 'none found (NVIDIA only)'),
    ...each('cache', caches.map(describeCache)),
    ...each(
      'environment',
      set.map(([name, value]) => `${name}=${value}`),
      'no variable of ours is set',
    ),
  ];
  const verdict = report.ok ? 'All that is needed works.' : 'Something is broken.';
  return [
    table(rows),
    '',
    ...report.notes.map((note) => `note: ${note}`),
    ...report.problems.map((problem) => `PROBLEM: ${problem}`),
    verdict,
  ].join('\n');
}

/** One row a value, the label on the first only. */
function each(label: string, values: readonly string[], none = 'none'): string[][] {
  return (values.length === 0 ? [none] : values).map((value, i) => [i === 0 ? label : '', value]);
}

function describeProvider({ name, bundled, loads, reason }: DoctorReport['providers'][number]): string {
  if (loads) return `${name}: loads`;
  return `${name}: does not load${bundled ? '' : ' (not bundled)'}: ${reason}`;
}

function describeSelfTest(selfTest: DoctorReport['selfTest']): string {
  if (!selfTest.ok) return 'failed';
  const { loadMs, generateMs, tokens } = selfTest;
  return `embedded model loaded in ${loadMs.toFixed(0)} ms, ${tokens} tokens in ${generateMs.toFixed(0)} ms`;
}

function describeCuda({ cuda }: DoctorReport): string {
  if (cuda === null) return 'not on this platform';
  if (cuda.missing.length > 0) return 'provider not installed';
  if (!cuda.loads) return `provider does not load: ${cuda.reason}`;
  return `provider loads, self-test: ${cuda.selfTest === null ? 'not run' : describeSelfTest(cuda.selfTest)}`;
}

function describeGpu({ name, driver, memoryBytes, freeBytes }: DoctorReport['gpus'][number]): string {
  const memory = memoryBytes === null ? '' : `, ${formatBytes(memoryBytes)}`;
  const free = freeBytes === null ? '' : `, ${formatBytes(freeBytes)} free`;
  return `${name}${memory}${free}${driver === null ? '' : `, driver ${driver}`}`;
}

function describeCache({ holds, folder, sizeBytes, writable }: CacheFacts): string {
  return `${holds}: ${folder} (${formatBytes(sizeBytes)}${writable ? '' : ', not writable'})`;
}
