// The versions that a prepared model depends on besides its checkpoint: they are part of every key in the cache.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

export interface GraphVersions {
  readonly graphVersion: number;
  /** ONNX Runtime's, by onnxruntime-node's package. */
  readonly runtimeVersion: string;
}

/** Raise it when the same checkpoint and precision should give a different graph or different weights. */
const GRAPH_VERSION = 5;

/** Those of this installation. */
export function graphVersions(): GraphVersions {
  return { graphVersion: GRAPH_VERSION, runtimeVersion: runtimeVersion() };
}

function runtimeVersion(): string {
  try {
    const manifest = createRequire(import.meta.url).resolve('onnxruntime-node/package.json');
    return (JSON.parse(readFileSync(manifest, 'utf8')) as { readonly version: string }).version;
  } catch {
    return 'none'; // opening a runner will say what is wrong
  }
}
