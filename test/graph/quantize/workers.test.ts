import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ArtefactError } from '#inhouse/errors.js';
import { runInWorkers } from '#inhouse/graph/quantize/workers.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'inhouse-workers-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A worker script from its source. */
function script(name: string, source: string): URL {
  const path = join(folder, `${name}.mjs`);
  writeFileSync(path, source);
  return pathToFileURL(path);
}

describe('runInWorkers', () => {
  it('gives every task to a thread and every result to the caller', async () => {
    const results: number[] = [];
    const square = script('square', 'export default (x) => x * x;');
    await runInWorkers<number, number>(square, [1, 2, 3, 4], (result) => results.push(result), {
      workers: 3,
    });
    expect(results.sort((a, b) => a - b)).toEqual([1, 4, 9, 16]);
  });

  it('ends with no tasks', async () => {
    const never = script('never', 'export default () => { throw new Error("called"); };');
    await expect(runInWorkers(never, [], () => {}, { workers: 2 })).resolves.toBeUndefined();
  });

  it.each([
    ['throws', 'export default () => { throw new Error("broken"); };'],
    ['exits', 'export default () => process.exit(3);'],
    ['cannot be loaded', 'import "no-such-package";'],
  ])('a thread that %s is a typed error', async (what, source) => {
    const failing = runInWorkers(script(what.replaceAll(' ', '-'), source), [1, 2], () => {}, { workers: 1 });
    await expect(failing).rejects.toBeInstanceOf(ArtefactError);
    await expect(failing).rejects.toMatchObject({ code: 'INHOUSE_QUANTIZE_FAILED' });
  });

  it('has ended its threads when it rejects, even busy ones', async () => {
    const reason = new Error('enough');
    const stop = new AbortController();
    const counters = new Int32Array(new SharedArrayBuffer(4));
    const count = script('count', 'export default (c) => { for (;;) Atomics.add(c, 0, 1); };');
    const running = runInWorkers(count, [counters, counters], () => {}, { workers: 2, signal: stop.signal });
    while (Atomics.load(counters, 0) === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    stop.abort(reason);
    await expect(running).rejects.toBe(reason);
    const counted = Atomics.load(counters, 0);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(Atomics.load(counters, 0)).toBe(counted);
  });
});
