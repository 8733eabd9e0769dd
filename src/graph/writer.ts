// Collects the nodes, weights, inputs and outputs of one ONNX graph. Knows the format, not the model.
import type { StoredTensor } from '../checkpoint/safetensors.js';
import {
  type AttributeProto,
  AttributeType,
  DataType,
  EXTERNAL,
  encodeModel,
  type FunctionProto,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from './onnx-format.js';

/** ONNX Runtime's own operators (docs/ContribOperators.md in microsoft/onnxruntime). */
export const MICROSOFT = 'com.microsoft';

/** A file of tensors that the graph refers to, by its name in the folder given to the runtime at load. */
export interface ExternalTensor {
  readonly shape: readonly number[];
  readonly dtype: DataType;
  readonly location: string;
  readonly offset: number; // bytes
  readonly byteLength: number;
}

/** Attributes by name; floats are marked because JavaScript has one number type. */
type Attributes = Readonly<Record<string, number | string | readonly number[] | { readonly float: number }>>;

/** Dimensions: a number, or a name for a size that varies. */
type Dimensions = ReadonlyArray<number | string>;

export class GraphWriter {
  readonly #nodes: NodeProto[] = [];
  readonly #initializers = new Map<string, TensorProto>();
  readonly #inputs: ValueInfoProto[] = [];
  readonly #outputs: ValueInfoProto[] = [];
  readonly #functions: FunctionProto[] = [];

  input(name: string, dtype: DataType, dimensions: Dimensions): string {
    this.#inputs.push(valueInfo(name, dtype, dimensions));
    return name;
  }

  output(name: string, dtype: DataType, dimensions: Dimensions): void {
    this.#outputs.push(valueInfo(name, dtype, dimensions));
  }

  /** Adds a node and returns its outputs; an output named '' is not computed, an input named '' is not given. */
  node(
    opType: string,
    input: readonly string[],
    output: readonly string[],
    attributes: Attributes = {},
    domain = '',
  ): void {
    const name = `${output.find((value) => value !== '')}:${opType}`;
    const attribute = Object.entries(attributes).map(([key, value]) => attributeProto(key, value));
    this.#nodes.push({ name, opType, domain, input, output, attribute });
  }

  /** Says what an operator of a domain of our own, version 1, means. */
  function(definition: FunctionProto): void {
    this.#functions.push(definition);
  }

  /** A constant stored in the graph itself. */
  int64(name: string, values: readonly number[]): string {
    const rawData = new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
    this.#initializers.set(name, { name, dims: [values.length], dataType: DataType.int64, rawData });
    return name;
  }

  /** A constant that lives in another file. Naming the same tensor twice stores one reference. */
  external(name: string, tensor: ExternalTensor): string {
    this.#initializers.set(name, {
      name,
      dims: tensor.shape,
      dataType: tensor.dtype,
      dataLocation: EXTERNAL,
      externalData: [
        { key: 'location', value: tensor.location },
        { key: 'offset', value: String(tensor.offset) },
        { key: 'length', value: String(tensor.byteLength) },
      ],
    });
    return name;
  }

  has(initializer: string): boolean {
    return this.#initializers.has(initializer);
  }

  /** The `.onnx` file. Opset 17 has LayerNormalization; IR 10 is what ONNX Runtime 1.18 and later read. */
  encode(graphName: string): Uint8Array {
    return encodeModel({
      irVersion: 10,
      producerName: 'inhouse',
      opsetImport: [
        { domain: '', version: 17 },
        { domain: MICROSOFT, version: 1 },
        ...[...new Set(this.#functions.map(({ domain }) => domain))].map((domain) => ({
          domain,
          version: 1,
        })),
      ],
      functions: this.#functions,
      graph: {
        name: graphName,
        node: this.#nodes,
        initializer: [...this.#initializers.values()],
        input: this.#inputs,
        output: this.#outputs,
      },
    });
  }
}

const STORED_TYPES: Readonly<Record<string, DataType>> = {
  F32: DataType.float,
  F16: DataType.float16,
  BF16: DataType.bfloat16,
};

/** Refers to a tensor where the checkpoint stores it; `location` is its file's name inside the weights folder. */
export function storedWhereItIs(tensor: StoredTensor, location: string): ExternalTensor {
  const dtype = STORED_TYPES[tensor.dtype];
  if (dtype === undefined) throw new TypeError(`dtype ${tensor.dtype} passed the checkpoint's check`);
  return { shape: tensor.shape, dtype, location, offset: tensor.offset, byteLength: tensor.byteLength };
}

function attributeProto(name: string, value: Attributes[string]): AttributeProto {
  if (typeof value === 'number') return { name, type: AttributeType.int, i: value };
  if (typeof value === 'string') return { name, type: AttributeType.string, s: Buffer.from(value) };
  if ('float' in value) return { name, type: AttributeType.float, f: value.float };
  return { name, type: AttributeType.ints, ints: value };
}

function valueInfo(name: string, elemType: DataType, dimensions: Dimensions): ValueInfoProto {
  const dim = dimensions.map((d) => (typeof d === 'number' ? { dimValue: d } : { dimParam: d }));
  return { name, type: { tensorType: { elemType, shape: { dim } } } };
}
