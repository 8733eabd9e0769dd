// A test hub with one small model, an empty cache, and no trace of the developer's own hub settings.
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, vi } from 'vitest';
import type { DownloadOptions } from '#inhouse/checkpoint/hub.js';
import { gitHash, HubServer, sha256 } from './hub-server.js';

export const MODEL = 'openai-community/gpt2';
export const COMMIT = 'c0ffee'.padEnd(40, '0');
export const WEIGHTS = 'model.safetensors';

/** 200 000 bytes that repeat nowhere. */
export const weights = bytes('weights', 200_000);

export const modelFiles: Readonly<Record<string, Buffer>> = {
  'config.json': Buffer.from('{"model_type":"gpt2"}'),
  'generation_config.json': Buffer.from('{"eos_token_id":0}'),
  'tokenizer.json': Buffer.from('{"model":{"type":"BPE"}}'),
  [WEIGHTS]: weights,
};

const HUB_VARIABLES = [
  'HF_ENDPOINT',
  'HF_TOKEN',
  'HF_HUB_OFFLINE',
  'HF_HUB_CACHE',
  'HUGGINGFACE_HUB_CACHE',
  'HF_HOME',
  'XDG_CACHE_HOME',
];

export interface HubSandbox {
  server: HubServer;
  cacheDir: string;
  /** Points at the server and the cache, and loses no time. */
  options: DownloadOptions;
  /** The folder of MODEL in the cache. */
  repository: string;
}

/** One server and cache for each test of the file; to be called at its top level. */
export function hubSandbox(): HubSandbox {
  const sandbox = {} as HubSandbox;
  beforeEach(async () => {
    for (const name of HUB_VARIABLES) vi.stubEnv(name, undefined);
    sandbox.server = await HubServer.start();
    sandbox.server.repositories.set(MODEL, { commit: COMMIT, files: modelFiles });
    sandbox.cacheDir = await mkdtemp(join(tmpdir(), 'inhouse-hub-'));
    sandbox.repository = join(sandbox.cacheDir, 'models--openai-community--gpt2');
    sandbox.options = {
      cacheDir: sandbox.cacheDir,
      endpoint: sandbox.server.endpoint,
      network: { attempts: 3, firstDelayMs: 1 },
    };
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await sandbox.server.close();
    await rm(sandbox.cacheDir, { recursive: true, force: true });
  });
  return sandbox;
}

/** The name of a model file's content in `blobs/`. */
export function etagOf(name: string, content: Buffer = modelFiles[name]!): string {
  return name.endsWith('.safetensors') ? sha256(content) : gitHash(content);
}

/** Fails unless the folder holds these files with this content. Compares hashes: a difference is not worth printing. */
export async function expectFiles(
  snapshot: string,
  files: Readonly<Record<string, Buffer>> = modelFiles,
): Promise<void> {
  const names = Object.keys(files);
  const found = await Promise.all(names.map(async (name) => sha256(await readFile(join(snapshot, name)))));
  expect(found).toEqual(names.map((name) => sha256(files[name]!)));
}

/** An address where nothing listens: that of a server that was there a moment ago. */
export async function closedEndpoint(): Promise<string> {
  const server = await HubServer.start();
  const { endpoint } = server;
  await server.close();
  return endpoint;
}

/** Pseudo-random bytes, the same for the same name. */
export function bytes(name: string, length: number): Buffer {
  const block = (index: number): Buffer => createHash('sha256').update(`${name} ${index}`).digest();
  const blocks = Array.from({ length: Math.ceil(length / 32) }, (_, index) => block(index));
  return Buffer.concat(blocks).subarray(0, length);
}
