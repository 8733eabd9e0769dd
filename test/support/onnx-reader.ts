// Reads what tests ask of an `.onnx` file: opsets, and nodes with the names of their attributes. Its own few field numbers
// of onnx.proto, so that a mistake in those of src/ shows.
import protobuf from 'protobufjs/light.js';

export interface OnnxFile {
  readonly opsets: Readonly<Record<string, number>>;
  readonly nodes: ReadonlyArray<{ readonly opType: string; readonly attributes: readonly string[] }>;
}

const repeated = (id: number, type: string) => ({ id, type, rule: 'repeated' });
const single = (id: number, type: string) => ({ id, type });

const Model = protobuf.Root.fromJSON({
  nested: {
    Model: { fields: { graph: single(7, 'Graph'), opsets: repeated(8, 'Opset') } },
    Opset: { fields: { domain: single(1, 'string'), version: single(2, 'int32') } },
    Graph: { fields: { nodes: repeated(1, 'Node') } },
    Node: { fields: { opType: single(4, 'string'), attributes: repeated(5, 'Attribute') } },
    Attribute: { fields: { name: single(1, 'string') } },
  },
}).lookupType('Model');

export function readOnnx(bytes: Uint8Array): OnnxFile {
  const { graph, opsets } = Model.toObject(Model.decode(bytes), { defaults: true }) as {
    readonly graph: { readonly nodes: Array<{ opType: string; attributes: Array<{ name: string }> }> };
    readonly opsets: Array<{ domain: string; version: number }>;
  };
  return {
    opsets: Object.fromEntries(opsets.map(({ domain, version }) => [domain, version])),
    nodes: graph.nodes.map(({ opType, attributes }) => ({
      opType,
      attributes: attributes.map(({ name }) => name),
    })),
  };
}
