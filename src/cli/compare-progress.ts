// Shows how far a comparison is, on standard error: one line that redraws itself on a terminal, elsewhere a line per step.
import type { CompareProgress } from '../../bench/compare/run.js';

export interface CompareProgressDisplay {
  readonly onProgress: (progress: CompareProgress) => void;
  /** Takes the line away. */
  readonly end: () => void;
}

const CLEAR_LINE = '\r\x1b[K';

export function compareProgress(): CompareProgressDisplay {
  const { stderr } = process;
  if (!stderr.isTTY) {
    return {
      onProgress: (progress) => {
        if (progress.done === 0) stderr.write(`${describe(progress)}\n`);
      },
      end: () => {},
    };
  }
  return {
    onProgress: (progress) => stderr.write(`${CLEAR_LINE}${describe(progress)}`),
    end: () => stderr.write(CLEAR_LINE),
  };
}

function describe({ doing, label, done, repetition, repetitions }: CompareProgress): string {
  if (doing === 'prepare') return `Preparing ${label}${done > 0 ? `, ${Math.floor(done * 100)} %` : ''}`;
  if (doing === 'quality') return `Judging the quality of ${label}`;
  return `Repetition ${repetition + 1} of ${repetitions}: speed and memory of ${label}`;
}
