// Contract: what a runner says about itself is exact arithmetic on what was asked of it.
import { afterEach, expect, it } from 'vitest';
import type { OpenRunner } from '../../support/runners.js';
import { ModelUnderTest, SMALL_MODEL } from './harness.js';

export function describeStatistics(open: OpenRunner): void {
  const elementBytes = open.elementType === 'float32' ? 4 : 2;
  const bytesPerToken = 2 * SMALL_MODEL.layers * SMALL_MODEL.heads * SMALL_MODEL.headSize * elementBytes; // K and V
  let model: ModelUnderTest | undefined;
  const openModel = async () => {
    model = await ModelUnderTest.open(open, SMALL_MODEL, { maxRows: 5, threads: 1 });
    return model;
  };
  afterEach(async () => model?.dispose());

  it('info describes the model and the runner', async () => {
    const { runner } = await openModel();
    expect(runner.info).toMatchObject({
      kind: expect.stringMatching(/^(portable|native)$/),
      device: expect.stringMatching(/^(cpu|cuda:\d+)$/),
      precision: open.precision,
      computeType: open.elementType,
      maxRows: 5,
      contextLength: 96,
      vocabularySize: 211,
      layers: 2,
      width: 64,
      threads: 1,
      runtimeVersion: expect.stringMatching(/^\d+\.\d+\.\d+/),
    });
  });

  it('a fresh runner has done and holds nothing', async () => {
    const { runner } = await openModel();
    expect(await runner.statistics()).toMatchObject({
      rowsOpen: 0,
      rowsOpenPeak: 0,
      prefillTokens: 0,
      decodeSteps: 0,
      decodeTokens: 0,
      kv: { bytesPerToken: bytesPerToken, tokensHeld: 0, tokensHeldPeak: 0, usedBytes: 0, copiedBytes: 0 },
    });
  });

  it('counts tokens, steps and rows exactly, now and at their peak', async () => {
    const { runner } = await openModel();
    const expectState = async (rowsOpen: number, tokensHeld: number) => {
      const statistics = await runner.statistics();
      expect(statistics).toMatchObject({ rowsOpen, kv: { tokensHeld } });
      const { kv } = statistics;
      expect(kv.usedBytes).toBe(tokensHeld * bytesPerToken);
      expect(kv.committedBytes).toBeGreaterThanOrEqual(kv.usedBytes);
      expect(kv.reservedBytes).toBeGreaterThanOrEqual(kv.committedBytes);
      expect(kv.committedBytesPeak).toBeGreaterThanOrEqual(kv.committedBytes);
      return statistics;
    };
    await model!.begin(0, { prompt: model!.tokens(10, 1) });
    await expectState(1, 10);
    await model!.begin(1, { prompt: model!.tokens(20, 2) });
    await expectState(2, 30);
    await runner.decode(2, 5);
    const decoded = await expectState(2, 40);
    expect(decoded).toMatchObject({ prefillTokens: 30, decodeSteps: 5, decodeTokens: 10 });

    await model!.openRow(2, { prompt: [] });
    await model!.begin(3, { prompt: model!.tokens(7, 3) });
    const opened = await expectState(4, 47);
    await runner.copyPrefix(1, 2, 15);
    const copied = await expectState(4, 62);
    expect(copied.kv.copiedBytes - opened.kv.copiedBytes).toBeGreaterThanOrEqual(15 * bytesPerToken);
    expect(copied.prefillTokens).toBe(37);
    await runner.closeRow(3);

    await runner.closeRow(1);
    await expectState(2, 30);
    await runner.moveRow(2, 1);
    await expectState(2, 30);
    await runner.truncateRow(1, 4);
    await expectState(2, 19);
    await runner.closeRow(1);
    await runner.closeRow(0);
    const final = await expectState(0, 0);
    expect(final).toMatchObject({ rowsOpenPeak: 4, prefillTokens: 37, decodeSteps: 5, decodeTokens: 10 });
    expect(final.kv.tokensHeldPeak).toBe(62);
  });

  it('counts no row, no token held and no prefill for score and embed', async () => {
    const { runner } = await openModel();
    const before = await runner.statistics();
    await runner.score(model!.tokens(50, 3));
    await runner.embed(model!.tokens(50, 3), 'mean');
    const after = await runner.statistics();
    const counts = ({ rowsOpenPeak, prefillTokens, decodeSteps, decodeTokens, kv }: typeof after) => [
      rowsOpenPeak,
      prefillTokens,
      decodeSteps,
      decodeTokens,
      kv.tokensHeldPeak,
    ];
    expect(counts(after)).toEqual(counts(before));
  });

  it('gives memory back as rows close', async () => {
    const { runner } = await openModel();
    const committed = async () => (await runner.statistics()).kv.committedBytes;
    for (let row = 0; row < 5; row++) {
      await model!.openRow(row, { prompt: [] });
      await runner.prefill(row, model!.tokens(96, row));
    }
    const full = await committed();
    expect(full).toBeGreaterThanOrEqual(5 * 96 * bytesPerToken);
    for (let row = 4; row > 0; row--) await runner.closeRow(row);
    const one = await committed();
    expect(one).toBeLessThan(full / 2);
    await runner.closeRow(0);
    expect(await committed()).toBeLessThan(one);
    expect((await runner.statistics()).kv.committedBytesPeak).toBeGreaterThanOrEqual(full);
  });
}
