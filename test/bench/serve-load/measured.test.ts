import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { measureAdmission } from '#bench/serve-load/admission.js';
import { measurePrefix } from '#bench/serve-load/prefix.js';
import { LoadSession } from '#bench/serve-load/session.js';
import type { Model } from '#inhouse/model.js';

const NEVER = new AbortController().signal;
const session = () =>
  new LoadSession(
    'unused',
    { precision: 'fp32', runner: 'portable', threads: 1, device: 'cpu' },
    { signal: NEVER, onProgress: () => {} },
  );
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

interface Behaviour {
  /** Until the first token of this prompt. */
  readonly promptMs: (prompt: readonly number[]) => number;
  /** Between tokens, while so many long prompts are computed. */
  readonly gapMs: (longPrompts: number) => number;
}

/** As much of a model as a load generator sees, with times as they are wanted. */
function modelThat({ promptMs, gapMs }: Behaviour): Model {
  let longPrompts = 0;
  const stream = (prompt: readonly number[], given: { maxTokens: number; signal?: AbortSignal }) => {
    async function* chunks() {
      longPrompts += prompt.length > 500 ? 1 : 0;
      await pause(promptMs(prompt));
      longPrompts -= prompt.length > 500 ? 1 : 0;
      for (let count = 0; count < given.maxTokens && !given.signal?.aborted; count++) {
        if (count > 0) await pause(gapMs(longPrompts));
        yield { tokens: [1] };
      }
    }
    const finishReason = () => (given.signal?.aborted ? 'abort' : 'length');
    return Object.assign(chunks(), {
      get result() {
        return Promise.resolve({ cachedTokens: 0, finishReason: finishReason() });
      },
    });
  };
  return { info: () => ({ vocabularySize: 1000 }), stream } as unknown as Model;
}

describe('what a suite measures', () => {
  it('sees that gaps grow while a long prompt is computed', async () => {
    const slow = modelThat({
      promptMs: (prompt) => (prompt.length > 500 ? 500 : 5),
      gapMs: (longPrompts) => (longPrompts > 0 ? 60 : 10),
    });
    const { value, met, detail } = await measureAdmission(session(), slow, { seed: 1, quick: true });
    expect(value).toBeGreaterThan(2);
    expect(met).toBe(false);
    expect(detail).toMatchObject({ prompts: 2 });
    expect(detail.gapsWith).toBeGreaterThan(20);
    expect(detail.gapsWithout).toBeGreaterThan(200);
  }, 60_000);

  it('sees that a known beginning makes the first token come sooner', async () => {
    const seen = new Set<string>();
    const remembering = modelThat({
      promptMs: (prompt) => {
        const beginning = prompt.slice(0, 512).join();
        const known = seen.has(beginning);
        seen.add(beginning);
        return known ? 5 : 200;
      },
      gapMs: () => 1,
    });
    const { value, detail } = await measurePrefix(session(), remembering, { seed: 1, quick: true });
    expect(value).toBeGreaterThan(1);
    expect(detail).toMatchObject({ prompts: 3 });
    expect(detail.freshMs).toBeGreaterThan(199);
  });

  it('goes on for as long as it is told, and writes what became of memory and latency', () => {
    const folder = mkdtempSync(join(tmpdir(), 'inhouse-soak-'));
    const output = join(folder, 'soak.json');
    const script = fileURLToPath(import.meta.resolve('#bench/soak.js'));
    const args = ['--minutes', '0.1', '--every', '1', '--threads', '1', '--output', output];
    execFileSync(process.execPath, ['--expose-gc', script, ...args], {
      env: { ...process.env, INHOUSE_HOME: folder },
    });
    const report = JSON.parse(readFileSync(output, 'utf8'));
    rmSync(folder, { recursive: true });
    expect(report).toMatchObject({
      interrupted: false,
      model: { id: 'embedded' },
      totals: { failed: 0 },
      rssBytes: { ratio: expect.any(Number), standardErrorPerHour: expect.any(Number) },
      itlP95Ms: { ratio: expect.any(Number) },
    });
    expect(report.readings).toHaveLength(6);
    expect(report.totals.completed).toBeGreaterThan(10);
    expect(report.totals.aborted).toBeGreaterThan(0);
  });
});
