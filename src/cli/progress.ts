// Shows a download, or weights being written, on standard error: a bar that redraws itself on a terminal, a line now and then elsewhere.
import type { DownloadProgress } from '../checkpoint/hub.js';
import type { QuantizeProgress } from '../graph/quantize/quantize-checkpoint.js';
import { formatBytes } from './output.js';

interface Output {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

type Progress = DownloadProgress | QuantizeProgress;

export interface ProgressDisplay {
  readonly onProgress: (progress: Progress) => void;
  /** Leaves the cursor at the start of a line. */
  readonly end: () => void;
}

const BAR_CELLS = 24;
const LINE_EVERY_MS = 3000;
const CLEAR_TO_END = '\x1b[K';

/** `now` returns milliseconds. */
export function progressDisplay(
  output: Output = process.stderr,
  now: () => number = () => performance.now(),
): ProgressDisplay {
  return output.isTTY ? bar(output) : lines(output, now);
}

function bar(output: Output): ProgressDisplay {
  let open = false;
  return {
    onProgress: (progress) => {
      const cells = Math.floor(fraction(progress) * BAR_CELLS);
      const drawn = `[${'#'.repeat(cells)}${'.'.repeat(BAR_CELLS - cells)}]`;
      output.write(`\r${drawn} ${describe(progress)}${CLEAR_TO_END}`);
      open = true;
    },
    end: () => {
      if (open) output.write('\n');
      open = false;
    },
  };
}

function lines(output: Output, now: () => number): ProgressDisplay {
  let writtenAt = Number.NEGATIVE_INFINITY;
  return {
    onProgress: (progress) => {
      if (!isLast(progress) && now() - writtenAt < LINE_EVERY_MS) return;
      writtenAt = now();
      output.write(`${describe(progress)}\n`);
    },
    end: () => {},
  };
}

function describe(progress: Progress): string {
  const percent = String(Math.floor(fraction(progress) * 100)).padStart(3);
  const sizes = `${formatBytes(doneBytes(progress))} of ${formatBytes(progress.totalBytes)}`;
  if ('writtenBytes' in progress) return `${percent} %  writing weights  ${sizes}`;
  const { file, fileIndex, fileCount } = progress;
  return `${percent} %  ${file} (${fileIndex + 1} of ${fileCount})  ${sizes}`;
}

function isLast(progress: Progress): boolean {
  const complete = fraction(progress) === 1;
  return complete && ('writtenBytes' in progress || progress.fileIndex === progress.fileCount - 1);
}

function fraction(progress: Progress): number {
  return progress.totalBytes === 0 ? 1 : doneBytes(progress) / progress.totalBytes;
}

function doneBytes(progress: Progress): number {
  return 'writtenBytes' in progress ? progress.writtenBytes : progress.receivedBytes;
}
