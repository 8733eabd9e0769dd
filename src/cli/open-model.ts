// Opens the model that the flags name, showing a download on the way.
import type { ResolvedModel } from '../checkpoint/resolve.js';
import type { Model } from '../model.js';
import { type ModelFlags, pick, type RunFlags } from './flags.js';
import { progressDisplay } from './progress.js';

/** Loads the model with its runtime. */
export async function openModel(flags: RunFlags, signal?: AbortSignal): Promise<Model> {
  const { load } = await import('../load.js');
  const progress = progressDisplay();
  try {
    return await load(flags.model, {
      ...pick(flags, 'revision', 'offline', 'threads'),
      ...(signal && { signal }),
      onProgress: progress.onProgress,
    });
  } finally {
    progress.end();
  }
}

/** Finds or downloads the model's folder and opens nothing. */
export async function findModelFolder(flags: ModelFlags, signal: AbortSignal): Promise<ResolvedModel> {
  const { resolveModel } = await import('../checkpoint/resolve.js');
  const progress = progressDisplay();
  try {
    return await resolveModel(flags.model, {
      ...pick(flags, 'revision', 'offline'),
      signal,
      onProgress: progress.onProgress,
    });
  } finally {
    progress.end();
  }
}
