import { describe, expect, it } from 'vitest';
import { featuresOf, gpusOfTool } from '#inhouse/cli/doctor-machine.js';
import {
  type DoctorFacts,
  type DoctorReport,
  environmentOf,
  notesOf,
  problemsOf,
} from '#inhouse/cli/doctor-report.js';
import { cliSandbox } from './cli-process.js';

const { run, environment } = cliSandbox();

it('finds that this machine runs the embedded model, and tells no secret', async () => {
  const { code, stdout, stderr } = await run(['doctor', '--json'], '', { HF_TOKEN: 'hf_secret' });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).not.toContain('hf_secret');
  const report = JSON.parse(stdout) as DoctorReport;
  expect(report).toMatchObject({
    ok: true,
    problems: [],
    node: { version: process.version, platform: process.platform, arch: process.arch },
    runtime: { file: expect.stringContaining('onnxruntime'), problem: null },
    selfTest: { ok: true, tokens: 4 },
    caches: [
      { holds: 'artefacts', folder: environment.INHOUSE_HOME, writable: true },
      { holds: 'models', writable: true },
    ],
    environment: { HF_TOKEN: 'set', HF_HOME: environment.HF_HOME, HF_ENDPOINT: null },
  });
  expect(report.providers).toContainEqual({ name: 'cpu', bundled: true, loads: true, reason: null });
  for (const { loads, reason } of report.providers) expect(reason === null).toBe(loads);
  expect(report.cpu.available).toBeGreaterThan(0);
  expect(report.memory.totalBytes).toBeGreaterThan(report.memory.freeBytes);
});

it('ends with code 1 and says what to do where the artefact cache cannot be written', async () => {
  const { code, stdout } = await run(['doctor'], '', { INHOUSE_HOME: '/dev/null/inhouse' });
  expect(code).toBe(1);
  expect(stdout).toMatch(/^self-test +failed$/m);
  expect(stdout).toMatch(/^PROBLEM: \/dev\/null\/inhouse cannot be written to\..*INHOUSE_HOME/m);
});

const HEALTHY: DoctorFacts = {
  version: '1.0.0',
  node: { version: 'v20.19.0', platform: 'linux', arch: 'x64' },
  runtime: { version: '1.0.0', folder: '/runtime', file: '/runtime/library', problem: null },
  addon: { inUse: true, detail: '/addon', quantizedProducts: 'ONNX Runtime' },
  providers: [{ name: 'cpu', bundled: true, loads: true, reason: null }],
  cuda: null,
  selfTest: { ok: true, loadMs: 1, generateMs: 1, tokens: 4 },
  cpu: { model: 'processor', available: 2, features: [] },
  memory: { totalBytes: 2, freeBytes: 1, limitBytes: null },
  gpus: [],
  caches: [
    { holds: 'artefacts', folder: '/artefacts', sizeBytes: 0, writable: true },
    { holds: 'models', folder: '/models', sizeBytes: 0, writable: true },
  ],
  environment: {},
};

describe('what is a problem', () => {
  it('nothing, where all is well', () => {
    expect(problemsOf(HEALTHY)).toEqual([]);
    expect(notesOf(HEALTHY)).toEqual([]);
  });

  it.each<{ what: string; broken: Partial<DoctorFacts>; says: RegExp }>([
    {
      what: 'an old Node.js',
      broken: { node: { version: 'v20.18.3', platform: 'linux', arch: 'x64' } },
      says: /v20\.18\.3 is too old\. Install Node\.js 20\.19 or later/,
    },
    { what: 'no ONNX Runtime', broken: { runtime: null }, says: /not installed.*npm install/ },
    {
      what: 'a platform without a library',
      broken: { runtime: { version: '1.0.0', folder: '/r', file: null, problem: 'no library for it' } },
      says: /no library for it/,
    },
    {
      what: 'a self-test that fails',
      broken: { selfTest: { ok: false, reason: 'no such graph' } },
      says: /does not run: no such graph/,
    },
  ])('$what', ({ broken, says }) => {
    const problems = problemsOf({ ...HEALTHY, ...broken });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(says);
  });
});

it('says that the portable runner is used, and how to have the other', () => {
  const [note] = notesOf({ ...HEALTHY, addon: { ...HEALTHY.addon, inUse: false, detail: 'no compiler' } });
  expect(note).toMatch(/portable runner.*build-native/);
});

it('notes what keeps models off the GPU', () => {
  const cuda = { folder: '/r', missing: ['provider.so'], loads: false, reason: 'none', selfTest: null };
  const gpu = { name: 'A GPU', driver: null, memoryBytes: null, freeBytes: null };
  expect(notesOf({ ...HEALTHY, cuda, gpus: [gpu] })).toEqual([expect.stringMatching(/inhouse setup cuda/)]);
  expect(notesOf({ ...HEALTHY, cuda })).toEqual([]);
});

it('reads processor features from both kinds of /proc/cpuinfo', () => {
  expect(featuresOf('processor : 0\nflags\t\t: fpu avx avx2 fma\n\nflags : avx512f\n')).toEqual([
    'avx2',
    'fma',
  ]);
  expect(featuresOf('Features\t: fp asimd asimddp i8mm\n')).toEqual(['asimddp', 'i8mm']);
  expect(featuresOf('nothing of the kind')).toBeNull();
});

it('reads what the GPU tool prints', () => {
  const csv = 'NVIDIA H100 80GB HBM3, 550.54.15, 81559, 80995\nNVIDIA Thor, 580.1, [N/A], [N/A]\n';
  expect(gpusOfTool(csv)).toEqual([
    {
      name: 'NVIDIA H100 80GB HBM3',
      driver: '550.54.15',
      memoryBytes: 81559 * 2 ** 20,
      freeBytes: 80995 * 2 ** 20,
    },
    { name: 'NVIDIA Thor', driver: '580.1', memoryBytes: null, freeBytes: null },
  ]);
});

it('tells which variables are set, and neither the token nor a password in an address', () => {
  expect(
    environmentOf({ HF_TOKEN: 'hf_secret', HF_ENDPOINT: 'https://me:secret@hub.example/x', PATH: '/bin' }),
  ).toEqual({
    INHOUSE_HOME: null,
    HF_HOME: null,
    HF_HUB_CACHE: null,
    HF_ENDPOINT: 'https://***@hub.example/x',
    HF_HUB_OFFLINE: null,
    HF_TOKEN: 'set',
  });
});
