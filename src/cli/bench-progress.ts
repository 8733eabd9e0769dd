// Shows how far a benchmark is, on standard error: one line that redraws itself on a terminal, elsewhere a line per load.
import type { BenchProgress } from '../../bench/run/run.js';

export interface BenchProgressDisplay {
  readonly onProgress: (progress: BenchProgress) => void;
  /** Takes the line away. */
  readonly end: () => void;
}

const CLEAR_LINE = '\r\x1b[K';

export function benchProgress(): BenchProgressDisplay {
  const { stderr } = process;
  if (stderr.isTTY) {
    return {
      onProgress: (progress) => stderr.write(`${CLEAR_LINE}${describe(progress)}`),
      end: () => stderr.write(CLEAR_LINE),
    };
  }
  return {
    onProgress: (progress) => {
      if (progress.doing === 'load') stderr.write(`${describe(progress)}\n`);
    },
    end: () => {},
  };
}

function describe({ repetition, repetitions, setup, doing }: BenchProgress): string {
  const where = `Repetition ${repetition + 1} of ${repetitions}: ${setup.runner}, ${setup.precision}, ${setup.device}, threads ${setup.threads}`;
  if (doing === 'load' || doing === 'quantize') return `${where}, ${doing}`;
  if (doing.phase === 'prefill') return `${where}, prefill, prompt ${doing.prompt}`;
  return `${where}, decode, batch ${doing.batch}, depth ${doing.depth}, steps per call ${doing.stepsPerCall}`;
}
