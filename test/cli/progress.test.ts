import { expect, it } from 'vitest';
import { progressDisplay } from '#inhouse/cli/progress.js';

const MB = 1_000_000;

/** A display on an output that remembers, with a clock that stands still unless told. */
function display(isTTY: boolean) {
  const clock = { nowMs: 0 };
  const written: string[] = [];
  const output = { isTTY, write: (text: string) => written.push(text) };
  const { onProgress, end } = progressDisplay(output, () => clock.nowMs);
  const report = (fileIndex: number, receivedBytes: number) =>
    onProgress({ file: `file-${fileIndex}`, fileIndex, fileCount: 2, receivedBytes, totalBytes: 10 * MB });
  return { clock, written, report, end };
}

it('redraws one line on a terminal and leaves the cursor below it', () => {
  const { written, report, end } = display(true);
  report(0, 0);
  report(0, 5 * MB);
  end();
  end();
  expect(written).toEqual([
    '\r[........................]   0 %  file-0 (1 of 2)  0 B of 10 MB\x1b[K',
    '\r[############............]  50 %  file-0 (1 of 2)  5.0 MB of 10 MB\x1b[K',
    '\n',
  ]);
});

it('writes a line every three seconds elsewhere, and when the last file is complete', () => {
  const { clock, written, report, end } = display(false);
  report(0, 0);
  clock.nowMs = 2999;
  report(0, MB);
  clock.nowMs = 3000;
  report(0, 2 * MB);
  report(0, 10 * MB);
  report(1, 10 * MB);
  end();
  expect(written).toEqual([
    '  0 %  file-0 (1 of 2)  0 B of 10 MB\n',
    ' 20 %  file-0 (1 of 2)  2.0 MB of 10 MB\n',
    '100 %  file-1 (2 of 2)  10 MB of 10 MB\n',
  ]);
});

it('writes nothing when nothing is downloaded', () => {
  const { written, end } = display(true);
  end();
  expect(written).toEqual([]);
});
