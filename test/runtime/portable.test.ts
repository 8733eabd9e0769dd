// The portable runner keeps the runner contract, also when memory runs out.
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { GraphSession } from '#inhouse/runtime/portable/graph-session.js';
import { PortableRows } from '#inhouse/runtime/portable/rows.js';
import { openPortable } from '../support/runners.js';
import { describeRunnerContract } from './runner-contract.js';

describeRunnerContract('portable runner', openPortable);

describe('rows for which there is no memory', () => {
  const CONFIG = { vocabularySize: 10, contextLength: 128, width: 4, layers: 1, heads: 1, headSize: 4 };
  const SAMPLING = {
    temperature: 0,
    topK: 0,
    topP: 1,
    minP: 0,
    repetitionPenalty: 1,
    presencePenalty: 0,
    frequencyPenalty: 0,
    logitBias: { ids: [], values: [] },
    seed: 1,
    stream: 0,
    stopTokenIds: [],
    minTokens: 0,
    logprobs: undefined,
  };
  const session = { step: async () => ({ logits: new Float32Array(0) }) } as unknown as GraphSession;

  async function rowsWith(...open: number[]): Promise<PortableRows> {
    const rows = new PortableRows(session, CONFIG as never, 8);
    for (const row of open) {
      rows.openRow(row, { capacity: 64, sampling: SAMPLING, prompt: [1, 2], output: [] });
      await rows.prefill(row, [1, 2], false);
    }
    return rows;
  }
  function runOut(): void {
    vi.stubGlobal(
      'Float32Array',
      class {
        constructor() {
          throw new RangeError('Array buffer allocation failed');
        }
      },
    );
  }
  afterEach(() => {
    vi.unstubAllGlobals();
  });

  it('stay where they were when they cannot be moved', async () => {
    const rows = await rowsWith(0);
    runOut();
    expect(() => rows.moveRow(0, 7)).toThrow('allocation failed');
    vi.unstubAllGlobals();
    expect(rows.statistics()).toMatchObject({ rowsOpen: 1, kv: { tokensHeld: 2 } });
    rows.moveRow(0, 7);
    rows.closeRow(7);
  });

  it('can be closed', async () => {
    const rows = await rowsWith(0, 7);
    runOut();
    rows.closeRow(7);
    rows.closeRow(0);
    expect(rows.statistics()).toMatchObject({ rowsOpen: 0, kv: { tokensHeld: 0 } });
  });
});
