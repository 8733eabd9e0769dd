// Where this package keeps what it derives: one folder per user, safe to delete at any time.
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/** `INHOUSE_HOME`, or a folder in the platform's cache folder. Models themselves live in the Hugging Face cache. */
export function inhouseHome(
  environment: NodeJS.ProcessEnv = process.env,
  platform = process.platform,
): string {
  if (environment.INHOUSE_HOME) return resolve(environment.INHOUSE_HOME);
  if (platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'inhouse');
  if (platform === 'win32') {
    return join(environment.LOCALAPPDATA ?? join(homedir(), 'AppData', 'Local'), 'inhouse', 'Cache');
  }
  return join(environment.XDG_CACHE_HOME || join(homedir(), '.cache'), 'inhouse');
}
