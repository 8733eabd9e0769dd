// What a cache folder takes up and whether this user may write to it.
import { access, constants, lstat, readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Of all files below it, links not followed; 0 for a folder that is absent. */
export async function folderSizeBytes(folder: string): Promise<number> {
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  let sizeBytes = 0;
  for (const name of names) {
    const file = await lstat(join(folder, name)).catch(() => undefined); // another process may have removed it
    if (file?.isFile()) sizeBytes += file.size;
  }
  return sizeBytes;
}

/** True if the folder can be written to, or made. */
export async function isWritable(folder: string): Promise<boolean> {
  try {
    if (!(await stat(folder)).isDirectory()) return false;
    await access(folder, constants.W_OK);
    return true;
  } catch (error) {
    const absent = ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '');
    return absent && dirname(folder) !== folder && isWritable(dirname(folder));
  }
}
