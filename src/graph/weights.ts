// How a graph reads its weights, each the way it is stored: as values, as tables and as matrices.
//
//   float       Gather; MatMul or Gemm. Float16 and bfloat16 are widened by a Cast that ONNX Runtime folds at load
//   blockwise   GatherBlockQuantized; BlockwiseMatMul. One table of blocks serves both
//   channel     DynamicQuantizeMatMul
//
// What these operators promise: docs/graph.md.
import { BLOCKWISE_MATMUL } from './blockwise-matmul.js';
import { DataType } from './onnx-format.js';
import { isTransposed, type StoredWeight } from './quantize/weights-file.js';
import { type ExternalTensor, type GraphWriter, MICROSOFT } from './writer.js';

/** How and where a parameter of the checkpoint, by its canonical name, is stored. */
export type WeightLocator = (name: string) => StoredWeight;

export class GraphWeights {
  readonly #writer: GraphWriter;
  readonly #shapes: ReadonlyMap<string, readonly number[]>;
  readonly #locate: WeightLocator;
  readonly #widened = new Set<string>();

  /** `shapes` are those of the checkpoint. */
  constructor(writer: GraphWriter, shapes: ReadonlyMap<string, readonly number[]>, locate: WeightLocator) {
    this.#writer = writer;
    this.#shapes = shapes;
    this.#locate = locate;
  }

  /** The name of a float32 value that holds a weight stored as float. */
  value(name: string): string {
    return this.#float32(name, this.#locate(name).data);
  }

  /** Looks up rows of a table [rows, D] by `ids` [...]: `output` is float32 [..., D]. */
  lookUp(name: string, ids: string, output: string): void {
    const weight = this.#locate(name);
    if (weight.scheme.kind !== 'blockwise') {
      this.#writer.node('Gather', [this.value(name), ids], [output]);
      return;
    }
    const { bits, block } = weight.scheme;
    const [rows, blocks, blockBytes] = weight.data.shape as [number, number, number];
    // The very bytes that the product reads, under the shape that this operator wants.
    const table = this.#writer.external(`${name}.rows`, {
      ...weight.data,
      shape: [rows, blocks * blockBytes],
    });
    const width = this.#shapes.get(name)![1]!;
    const whole = blocks * block === width ? output : `${output}.padded`;
    const attributes = { bits, block_size: block, gather_axis: 0, quantize_axis: 1 };
    const inputs = [table, ids, this.#float32(`${name}.scales`, weight.scales!)];
    const zeroPoints = this.#zeroPoints(name, weight);
    if (zeroPoints !== undefined) inputs.push(zeroPoints);
    this.#writer.node('GatherBlockQuantized', inputs, [whole], attributes, MICROSOFT);
    if (whole !== output) this.#keepFirst(whole, width, output);
  }

  /**
   * Multiplies x [..., inputs] with a matrix and adds `bias` [outputs], where there is one: `output` is float32
   * [..., outputs]. For the head, which checkpoints store as [outputs, inputs], x is [rows, inputs].
   */
  product(x: string, name: string, output: string, bias?: string): void {
    const weight = this.#locate(name);
    const addend = bias === undefined ? [] : [this.value(bias)];
    if (weight.scheme.kind === 'float') this.#floatProduct(x, name, output, addend);
    else if (weight.scheme.kind === 'channel') {
      const scales = this.#float32(`${name}.scales`, weight.scales!);
      const inputs = [x, this.#writer.external(`${name}.data`, weight.data), scales, '', ...addend];
      this.#writer.node('DynamicQuantizeMatMul', inputs, [output], {}, MICROSOFT);
    } else {
      const { bits, block } = weight.scheme;
      const data = this.#writer.external(`${name}.data`, weight.data);
      const scales = this.#stored(`${name}.scales`, weight.scales!);
      const inputs = [x, data, scales, this.#zeroPoints(name, weight) ?? '', ...addend];
      const shape = this.#shapes.get(name)!;
      const [K, N] = isTransposed(name) ? shape : shape.toReversed();
      const attributes = { K: K!, N: N!, bits, block_size: block };
      this.#writer.node(BLOCKWISE_MATMUL.name, inputs, [output], attributes, BLOCKWISE_MATMUL.domain);
    }
  }

  #floatProduct(x: string, name: string, output: string, addend: readonly string[]): void {
    if (!isTransposed(name)) {
      this.#writer.node('Gemm', [x, this.value(name), ...addend], [output], { transB: 1 });
    } else if (addend.length === 0) {
      this.#writer.node('MatMul', [x, this.value(name)], [output]);
    } else {
      this.#writer.node('MatMul', [x, this.value(name)], [`${output}.product`]);
      this.#writer.node('Add', [`${output}.product`, ...addend], [output]);
    }
  }

  /** The name of the zero points, if there are any. */
  #zeroPoints(name: string, { zeroPoints }: StoredWeight): string | undefined {
    return zeroPoints && this.#writer.external(`${name}.zero_points`, zeroPoints);
  }

  #float32(name: string, tensor: ExternalTensor): string {
    if (tensor.dtype === DataType.float) return this.#writer.external(name, tensor);
    if (!this.#widened.has(name)) {
      this.#writer.node('Cast', [this.#stored(name, tensor)], [name], { to: DataType.float });
      this.#widened.add(name);
    }
    return name;
  }

  /** The name of a tensor as it is stored. */
  #stored(name: string, tensor: ExternalTensor): string {
    return this.#writer.external(tensor.dtype === DataType.float ? name : `${name}.stored`, tensor);
  }

  /** Cuts the last axis of x to `width`. */
  #keepFirst(x: string, width: number, output: string): void {
    const constant = (part: string, value: number) => this.#writer.int64(`${output}.${part}`, [value]);
    this.#writer.node(
      'Slice',
      [x, constant('from', 0), constant('to', width), constant('axis', -1)],
      [output],
    );
  }
}
