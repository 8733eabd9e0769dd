// Run as a process of its own by `inhouse doctor`: does ONNX Runtime load the execution provider named in argv[2]?
// Apart, because a provider whose driver misbehaves can take the whole process down, and because the reason why a
// library does not load is told on standard error by native code. Prints {"loads", "reason"} as JSON.
import ort from 'onnxruntime-node';
import { DataType } from '../graph/onnx-format.js';
import { GraphWriter } from '../graph/writer.js';

/** The smallest graph that a session can be made of. */
function identityGraph(): Uint8Array {
  const graph = new GraphWriter();
  graph.input('x', DataType.float, [1]);
  graph.node('Identity', ['x'], ['y']);
  graph.output('y', DataType.float, [1]);
  return graph.encode('probe');
}

async function probe(provider: string): Promise<{ loads: boolean; reason: string | null }> {
  try {
    const session = await ort.InferenceSession.create(identityGraph(), { executionProviders: [provider] });
    await session.release();
    return { loads: true, reason: null };
  } catch (error) {
    return { loads: false, reason: error instanceof Error ? error.message : String(error) };
  }
}

process.stdout.write(JSON.stringify(await probe(process.argv[2] ?? 'cpu')));
