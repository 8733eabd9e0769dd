import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { syntheticCheckpoint, syntheticShapes, syntheticWeightBytes } from '#bench/synthetic.js';
import { openCheckpoint } from '#inhouse/checkpoint/checkpoint.js';
import { registryModels } from '#inhouse/checkpoint/registry.js';

const folder = mkdtempSync(join(tmpdir(), 'inhouse-synthetic-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let homes = 0;
const newHome = () => join(folder, `home-${homes++}`);
const tiny = syntheticShapes().get('tiny')!;

describe('shapes', () => {
  it.each(registryModels().map(({ id, parameters }) => [id, parameters] as const))(
    '%s has as many weights as the registry says',
    (id, parameters) => {
      expect(syntheticWeightBytes(syntheticShapes().get(id)!)).toBe(4 * parameters);
    },
  );
});

describe('syntheticCheckpoint', () => {
  it.each(['tiny', 'embedded-shape'])('writes a complete checkpoint: %s', async (name) => {
    const shape = syntheticShapes().get(name)!;
    const checkpoint = await openCheckpoint(await syntheticCheckpoint(name, shape, newHome()));
    expect(checkpoint.config).toMatchObject({ ...shape, innerWidth: 4 * shape.width, tiedEmbeddings: true });
    expect(checkpoint.weightBytes).toBe(syntheticWeightBytes(shape));
    expect(checkpoint.tokenizerFile).toBeUndefined();
  });

  it('writes the same bytes every time', async () => {
    const bytes = async () =>
      readFileSync(join(await syntheticCheckpoint('tiny', tiny, newHome()), 'model.safetensors'));
    expect((await bytes()).equals(await bytes())).toBe(true);
  });

  it('draws matrices from a normal distribution and starts norms at one and biases at zero', async () => {
    const checkpoint = await openCheckpoint(await syntheticCheckpoint('tiny', tiny, newHome()));
    const values = (name: string) => {
      const { file, offset, byteLength } = checkpoint.tensors.get(name)!;
      const bytes = readFileSync(file).subarray(offset, offset + byteLength);
      return new Float32Array(new Uint8Array(bytes).buffer);
    };
    const embedding = values('wte.weight');
    const mean = embedding.reduce((sum, value) => sum + value, 0) / embedding.length;
    const deviation = Math.sqrt(
      embedding.reduce((sum, value) => sum + (value - mean) ** 2, 0) / embedding.length,
    );
    // 32 768 draws: three standard errors of the mean are 0.0003, of the deviation 0.0002.
    expect(Math.abs(mean)).toBeLessThan(0.0004);
    expect(Math.abs(deviation - 0.02)).toBeLessThan(0.0003);
    expect(new Set(values('h.1.mlp.c_fc.weight')).size).toBeGreaterThan(8000);
    expect([...new Set(values('h.0.ln_1.weight')), ...new Set(values('h.0.ln_1.bias'))]).toEqual([1, 0]);
    expect([...new Set(values('h.1.mlp.c_fc.bias'))]).toEqual([0]);
  });

  it('writes once, also when several ask at the same time', async () => {
    const home = newHome();
    const written: number[] = [];
    const obtain = () => syntheticCheckpoint('tiny', tiny, home, { onWrite: (size) => written.push(size) });
    const folders = await Promise.all([obtain(), obtain(), obtain()]);
    expect(new Set(folders)).toEqual(new Set([await obtain()]));
    expect(written).toEqual([syntheticWeightBytes(tiny)]);
  });

  it('leaves nothing behind when it is aborted', async () => {
    const home = newHome();
    const controller = new AbortController();
    const obtaining = syntheticCheckpoint('tiny', tiny, home, {
      signal: controller.signal,
      onWrite: () => controller.abort(),
    });
    await expect(obtaining).rejects.toThrow(expect.objectContaining({ name: 'AbortError' }));
    expect(readdirSync(join(home, 'synthetic'))).toEqual([]);
  });

  it('says what to do when the disk refuses', async () => {
    const home = newHome();
    writeFileSync(home, 'a file where a folder must be');
    await expect(syntheticCheckpoint('tiny', tiny, home)).rejects.toMatchObject({
      code: 'INHOUSE_CACHE_WRITE',
      message: expect.stringMatching(/synthetic weights.*INHOUSE_HOME/),
    });
  });
});
