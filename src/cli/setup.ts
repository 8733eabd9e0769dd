// `inhouse setup`: gets what does not come with the package. So far that is CUDA.
import type { Command } from 'commander';
import { writeLine } from './output.js';

export function addSetup(program: Command): void {
  const setup = program.command('setup').description('Get what does not come with the package.');
  setup
    .command('cuda')
    .description("Install ONNX Runtime's CUDA provider (some 200 MB), and say whether it works.")
    .option('--from <folder>', 'take its files from this folder instead of downloading them')
    .option('--json', 'print one JSON object')
    .addHelpText('after', '\nSee docs/cuda.md.')
    .action(setupCuda);
}

async function setupCuda({ from, json }: { readonly from?: string; readonly json?: boolean }): Promise<void> {
  const { cudaProviderFiles } = await import('../runtime/native/cuda-provider.js');
  const { installByScript, installFromFolder, runtimeInstaller } = await import('./setup-cuda.js');
  const { cudaAdvice, cudaState } = await import('./cuda-state.js');
  const { gpuFacts } = await import('./doctor-machine.js');
  const { probe, runtimeLibrary } = await import('./doctor-runtime.js');

  const files = cudaProviderFiles();
  if (from === undefined) await installByScript(runtimeInstaller(), files);
  else await installFromFolder(from, files);

  const [state, gpus] = await Promise.all([probe('cuda').then(cudaState), gpuFacts()]);
  const advice = cudaAdvice(state, gpus, runtimeLibrary()?.version ?? 'the same version');
  if (json) return writeLine(JSON.stringify({ ...state, gpus, advice }));
  await writeLine(`Installed in ${files.folder}.`);
  for (const line of advice) await writeLine(line);
  if (state?.selfTest?.ok) await writeLine(`CUDA works: ${gpus[0]?.name ?? 'a GPU'}.`);
}
