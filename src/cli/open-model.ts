// Opens the model that the flags name, showing on the way what takes long.
import type { ResolvedModel } from '../checkpoint/resolve.js';
import { parsePrecision } from '../graph/precision.js';
import type { Model } from '../model.js';
import { type ModelFlags, pick, type RunFlags } from './flags.js';
import { progressDisplay } from './progress.js';

/** Loads the model with its runtime. */
export async function openModel(flags: RunFlags, signal?: AbortSignal): Promise<Model> {
  const { load } = await import('../load.js');
  const { precision } = flags;
  const progress = progressDisplay();
  try {
    return await load(flags.model, {
      ...pick(flags, 'revision', 'offline', 'threads', 'device'),
      ...(precision !== undefined && { precision: parsePrecision(precision) }),
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
