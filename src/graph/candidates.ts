// The few tokens that a sampler mostly chooses from, found where the logits are: a step then returns hundreds of bytes.
import { io } from './io.js';
import { DataType } from './onnx-format.js';
import type { GraphWriter } from './writer.js';

/** Adds the outputs for `count` candidates per row of the logits [K, V]. */
export function writeCandidates(writer: GraphWriter, count: number): void {
  const dimensions = ['K', count];
  writer.output(io.topIds, DataType.int32, dimensions);
  writer.output(io.topLogits, DataType.float, dimensions);
  writer.output(io.topLogprob, DataType.float, ['K', 1]);

  const sorted = { axis: 1, largest: 1, sorted: 1 };
  writer.node(
    'TopK',
    [io.logits, writer.int64('candidates', [count])],
    [io.topLogits, 'top_ids.wide'],
    sorted,
  );
  writer.node('Cast', ['top_ids.wide'], [io.topIds], { to: DataType.int32 });

  // Reductions need cuDNN, which not every build of the CUDA provider has; LogSoftmax and GatherElements do not.
  const bounds = ['from', 'to', 'axis'].map((part, i) => writer.int64(`top_ids.${part}`, [[0, 1, 1][i]!]));
  writer.node('Slice', ['top_ids.wide', ...bounds], ['top_ids.first']);
  writer.node('LogSoftmax', [io.logits], ['logprobs'], { axis: 1 });
  writer.node('GatherElements', ['logprobs', 'top_ids.first'], [io.topLogprob], { axis: 1 });
}
