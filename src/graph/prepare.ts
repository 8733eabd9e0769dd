// From an open checkpoint to files a runner can load: the graph, and the folder its weights are read from.
import { writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Checkpoint } from '../checkpoint/checkpoint.js';
import { CheckpointError } from '../errors.js';
import { ArtefactCache, artefactKey } from './artefacts.js';
import { buildGpt2Graph } from './gpt2.js';
import { storedWhereItIs } from './writer.js';

/** Part of every key: raise it when the same checkpoint should give a different graph. */
const GRAPH_VERSION = 1;
const GRAPH_FILE = 'graph.onnx';

export interface PreparedModel {
  readonly graphFile: string;
  /** The folder of the files that the graph refers to; ONNX Runtime must be told of it at load. */
  readonly weightsFolder: string;
}

/**
 * Prepares the FP32 model. The graph refers into the checkpoint's own safetensors files: no weight is copied.
 * Errors: `ArtefactError` when the cache in `home` cannot be written.
 */
export async function prepareModel(checkpoint: Checkpoint, home: string): Promise<PreparedModel> {
  const weightsFolder = onlyFolder(checkpoint);
  const locate = (name: string) => {
    const tensor = checkpoint.tensors.get(name)!; // openCheckpoint made sure that all are there
    return storedWhereItIs(tensor, basename(tensor.file));
  };
  const key = artefactKey({
    graph: GRAPH_VERSION,
    precision: 'fp32',
    config: checkpoint.config,
    tensors: [...checkpoint.tensors.keys()].sort().map((name) => [name, locate(name)]),
  });
  const folder = await new ArtefactCache(home).obtain(key, (building) =>
    writeFile(join(building, GRAPH_FILE), buildGpt2Graph(checkpoint.config, locate)),
  );
  return { graphFile: join(folder, GRAPH_FILE), weightsFolder };
}

/** ONNX Runtime reads all external data of a model from one folder, and follows no symbolic link out of it. */
function onlyFolder(checkpoint: Checkpoint): string {
  const folders = new Set([...checkpoint.tensors.values()].map((tensor) => dirname(tensor.file)));
  const [folder, another] = folders;
  if (folder === undefined || another !== undefined) {
    throw new CheckpointError(
      'INHOUSE_CHECKPOINT_UNREADABLE',
      `The weight files of ${checkpoint.folder} resolve to several folders (${[...folders].join(', ')}): ` +
        'ONNX Runtime reads external data from one. Put the files themselves, not links to them, into one folder.',
      { details: { folders: [...folders] } },
    );
  }
  return folder;
}
