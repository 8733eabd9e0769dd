// Everything `inhouse doctor` knows, as data, and what of it is a problem. It prints nothing.
import { hubCacheFolder } from '../checkpoint/hub-cache.js';
import { inhouseHome } from '../home.js';
import { isOlderNode, oldestNode } from '../node-version.js';
import { packageVersion } from './about.js';
import { type CudaState, cudaAdvice, cudaState } from './cuda-state.js';
import {
  type CpuFacts,
  cpuFacts,
  type GpuFacts,
  gpuFacts,
  type MemoryFacts,
  memoryFacts,
} from './doctor-machine.js';
import {
  type AddonState,
  addonState,
  type ProviderState,
  providerStates,
  type RuntimeLibrary,
  runtimeLibrary,
  type SelfTest,
  selfTest,
} from './doctor-runtime.js';
import { folderSizeBytes, isWritable } from './folders.js';

export interface CacheFacts {
  readonly holds: 'artefacts' | 'models';
  readonly folder: string;
  readonly sizeBytes: number;
  readonly writable: boolean;
}

export interface DoctorFacts {
  readonly version: string;
  readonly node: { readonly version: string; readonly platform: string; readonly arch: string };
  readonly runtime: RuntimeLibrary | null;
  readonly addon: AddonState;
  readonly providers: readonly ProviderState[];
  /** Null where ONNX Runtime has no CUDA provider. */
  readonly cuda: CudaState | null;
  readonly selfTest: SelfTest;
  readonly cpu: CpuFacts;
  readonly memory: MemoryFacts;
  readonly gpus: readonly GpuFacts[];
  readonly caches: readonly CacheFacts[];
  /** Variables that change what the package does; null is not set. The value of HF_TOKEN is never told. */
  readonly environment: Readonly<Record<string, string | null>>;
}

export interface DoctorReport extends DoctorFacts {
  readonly ok: boolean;
  /** What keeps the package from working, each with what to do. */
  readonly problems: readonly string[];
  /** What is worth knowing, or could be better. */
  readonly notes: readonly string[];
}

const VARIABLES = [
  'INHOUSE_HOME',
  'HF_HOME',
  'HF_HUB_CACHE',
  'HF_ENDPOINT',
  'HF_HUB_OFFLINE',
  'HF_TOKEN',
] as const;

export async function doctorReport(): Promise<DoctorReport> {
  const facts = await collectFacts();
  const problems = problemsOf(facts);
  return { ok: problems.length === 0, problems, notes: notesOf(facts), ...facts };
}

async function collectFacts(): Promise<DoctorFacts> {
  const [cpu, gpus, artefacts, models] = await Promise.all([
    cpuFacts(),
    gpuFacts(),
    cacheFacts('artefacts', inhouseHome()),
    cacheFacts('models', hubCacheFolder()),
  ]);
  const providers = await providerStates();
  const cuda = providers.find(({ name }) => name === 'cuda');
  return {
    version: packageVersion(),
    node: { version: process.version, platform: process.platform, arch: process.arch },
    runtime: runtimeLibrary() ?? null,
    addon: addonState(),
    providers,
    cuda: cuda === undefined ? null : await cudaState(cuda),
    selfTest: await selfTest(), // after the probes, so that they do not slow it down
    cpu,
    memory: memoryFacts(),
    gpus,
    caches: [artefacts, models],
    environment: environmentOf(process.env),
  };
}

export function problemsOf({ node, runtime, selfTest, caches }: DoctorFacts): readonly string[] {
  const problems: string[] = [];
  if (isOlderNode(node.version)) {
    problems.push(`Node.js ${node.version} is too old. Install Node.js ${oldestNode()} or later.`);
  }
  if (runtime === null) {
    problems.push('onnxruntime-node is not installed. Install the dependencies again (npm install).');
  } else if (runtime.problem !== null) {
    problems.push(runtime.problem);
  }
  if (!selfTest.ok) problems.push(`The embedded model does not run: ${selfTest.reason}`);
  for (const { holds, folder, writable } of caches) {
    if (holds === 'artefacts' && !writable) {
      problems.push(
        `${folder} cannot be written to. Change its permissions, or point INHOUSE_HOME elsewhere.`,
      );
    }
  }
  return problems;
}

export function notesOf({ runtime, addon, cuda, gpus, caches, environment }: DoctorFacts): readonly string[] {
  const notes: string[] = [];
  if (!addon.inUse) {
    notes.push(
      'The portable runner is used, which is slower; in a checkout, `node scripts/build-native.mjs` builds the addon.',
    );
  }
  notes.push(...cudaAdvice(cuda, gpus, runtime?.version ?? 'the same version'));
  for (const { holds, folder, writable } of caches) {
    if (holds === 'models' && !writable) {
      notes.push(`${folder} cannot be written to, so no model can be downloaded. Point HF_HOME elsewhere.`);
    }
  }
  if (environment.HF_HUB_OFFLINE)
    notes.push('HF_HUB_OFFLINE is set: unless it says no, nothing is downloaded.');
  return notes;
}

async function cacheFacts(holds: CacheFacts['holds'], folder: string): Promise<CacheFacts> {
  return { holds, folder, sizeBytes: await folderSizeBytes(folder), writable: await isWritable(folder) };
}

/** What is set among the variables that matter; secrets are left out. */
export function environmentOf(environment: NodeJS.ProcessEnv): Readonly<Record<string, string | null>> {
  const told = (name: string, value: string) =>
    name === 'HF_TOKEN' ? 'set' : value.replace(/\/\/[^/]*@/, '//***@'); // an address may hold a password
  return Object.fromEntries(
    VARIABLES.map((name) => [name, environment[name] ? told(name, environment[name]) : null]),
  );
}
