// How a graph reads its weights, each the way it is stored: as values, as tables and as matrices.
//
//   float       Gather; MatMul or Gemm. What is stored in another type goes through a Cast that ONNX Runtime folds at load
//   blockwise   GatherBlockQuantized; BlockwiseMatMul or MatMulNBits. One table of blocks serves both
//   channel     DynamicQuantizeMatMul
//
// What these operators promise: docs/graph.md.
import { BLOCKWISE_MATMUL } from './blockwise-matmul.js';
import type { GraphForm } from './form.js';
import { DataType } from './onnx-format.js';
import type { WeightScheme } from './precision.js';
import { isTransposed, type StoredWeight } from './quantize/weights-file.js';
import { type ExternalTensor, type GraphWriter, MICROSOFT } from './writer.js';

/**
 * What multiplies with the vocabulary is float32 in every form: the logits of GPT-2 lie around -100, where float16 has
 * steps of 0.06, and first choices would be matters of chance.
 */
const TABLES: ReadonlySet<string> = new Set(['wte.weight', 'lm_head.weight']);

export class GraphWeights {
  readonly #writer: GraphWriter;
  readonly #shapes: ReadonlyMap<string, readonly number[]>;
  readonly #stored: ReadonlyMap<string, StoredWeight>;
  readonly #form: GraphForm;
  readonly #cast = new Set<string>();

  /** `shapes` are those of the checkpoint; `stored` is how and where its parameters are stored, all of them. */
  constructor(
    writer: GraphWriter,
    shapes: ReadonlyMap<string, readonly number[]>,
    stored: ReadonlyMap<string, StoredWeight>,
    form: GraphForm,
  ) {
    this.#writer = writer;
    this.#shapes = shapes;
    this.#stored = stored;
    this.#form = form;
  }

  /** Of everything between the matrices. */
  get elementType(): DataType {
    return this.#form.elementType === 'float32' ? DataType.float : DataType.float16;
  }

  /** The name of a value that holds a weight stored as float, in the type it is used in. */
  value(name: string): string {
    return this.#float(name, this.#stored.get(name)!.data, this.#typeOf(name));
  }

  /** Looks up rows of a table [rows, D] by `ids` [...]: `output` is [..., D], of the form's element type. */
  lookUp(name: string, ids: string, output: string): void {
    if (this.#typeOf(name) === this.elementType) {
      this.#lookUpInTable(name, ids, output);
    } else {
      this.#lookUpInTable(name, ids, `${output}.wide`);
      this.#writer.node('Cast', [`${output}.wide`], [output], { to: this.elementType });
    }
  }

  /**
   * Multiplies x [..., inputs] with a matrix and adds `bias` [outputs], where there is one: `output` is [..., outputs].
   * x and output are of the form's element type; for the head, which checkpoints store as [outputs, inputs], they are
   * float32, and x is [rows, inputs].
   */
  product(x: string, name: string, output: string, bias?: string): void {
    const weight = this.#stored.get(name)!;
    const addend = bias === undefined ? [] : [this.value(bias)];
    if (weight.scheme.kind === 'float') this.#floatProduct(x, name, output, addend);
    else if (weight.scheme.kind === 'channel') {
      const [scales] = this.#scales(name, weight);
      const inputs = [x, this.#writer.external(`${name}.data`, weight.data), scales!, '', ...addend];
      this.#writer.node('DynamicQuantizeMatMul', inputs, [output], {}, MICROSOFT);
    } else if (this.#form.integerProducts) {
      this.#integerProduct(x, name, weight, output, addend);
    } else if (isTransposed(name)) {
      this.#blockwiseProduct(x, name, weight, output, addend);
    } else {
      this.#productInEights(x, name, weight, output);
    }
  }

  /** Our own operator, which rounds x to 8 bits; it takes the scales as they are stored. */
  #integerProduct(
    x: string,
    name: string,
    weight: StoredWeight,
    output: string,
    addend: readonly string[],
  ): void {
    const data = this.#writer.external(`${name}.data`, weight.data);
    const [zeroPoints = ''] = this.#zeroPoints(name, weight);
    const inputs = [x, data, this.#scalesAsStored(name, weight), zeroPoints, ...addend];
    const { domain, name: operator } = BLOCKWISE_MATMUL;
    this.#writer.node(operator, inputs, [output], this.#blockAttributes(name, weight), domain);
  }

  /** `part` names the outputs that `weight` holds, where they are not all of the matrix. */
  #blockwiseProduct(
    x: string,
    name: string,
    weight: StoredWeight,
    output: string,
    addend: readonly string[] = [],
    part = '',
  ): void {
    const [scales, zeroPoints = ''] = this.#scales(name, weight, part);
    const data = this.#writer.external(`${name}${part}.data`, weight.data);
    const inputs = [x, data, scales!, zeroPoints, '', ...addend];
    this.#writer.node('MatMulNBits', inputs, [output], this.#blockAttributes(name, weight), MICROSOFT);
  }

  #blockAttributes(name: string, { scheme, data }: StoredWeight) {
    const { bits, block } = scheme as Extract<WeightScheme, { kind: 'blockwise' }>;
    const shape = this.#shapes.get(name)!;
    const K = isTransposed(name) ? shape[0]! : shape[1]!;
    return { K, N: data.shape[0]!, bits, block_size: block };
  }

  /**
   * The CUDA kernels for few rows take outputs in multiples of 8. A vocabulary of any other size, such as GPT-2's 50257,
   * would be widened whole in every step: its last few tokens are multiplied apart.
   */
  #productInEights(x: string, name: string, weight: StoredWeight, output: string): void {
    const outputs = weight.data.shape[0]!;
    const most = outputs - (outputs % 8);
    if (most === outputs || most === 0) {
      this.#blockwiseProduct(x, name, weight, output);
      return;
    }
    this.#blockwiseProduct(x, name, rowsOf(weight, 0, most), `${output}.most`, [], '.most');
    this.#blockwiseProduct(x, name, rowsOf(weight, most, outputs), `${output}.last`, [], '.last');
    this.#writer.node('Concat', [`${output}.most`, `${output}.last`], [output], { axis: 1 });
  }

  #lookUpInTable(name: string, ids: string, output: string): void {
    const weight = this.#stored.get(name)!;
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
    const [scales, ...zeroPoints] = this.#scales(name, weight);
    const inputs = [table, ids, scales!, ...zeroPoints];
    this.#writer.node('GatherBlockQuantized', inputs, [whole], attributes, MICROSOFT);
    if (whole !== output) this.#keepFirst(whole, width, output);
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

  /** Names of the scales and, if there are any, the zero points. */
  #scales(name: string, weight: StoredWeight, part = ''): string[] {
    const scales = this.#float(`${name}${part}.scales`, weight.scales!, this.#typeOf(name));
    return [scales, ...this.#zeroPoints(name, weight, part)];
  }

  #scalesAsStored(name: string, { scales }: StoredWeight): string {
    const stored = scales!.dtype === DataType.float ? `${name}.scales` : `${name}.scales.stored`;
    return this.#writer.external(stored, scales!);
  }

  #zeroPoints(name: string, { zeroPoints }: StoredWeight, part = ''): string[] {
    return zeroPoints ? [this.#writer.external(`${name}${part}.zero_points`, zeroPoints)] : [];
  }

  #typeOf(name: string): DataType {
    return TABLES.has(name) ? DataType.float : this.elementType;
  }

  #float(name: string, tensor: ExternalTensor, type: DataType): string {
    if (tensor.dtype === type) return this.#writer.external(name, tensor);
    const stored = this.#writer.external(`${name}.stored`, tensor);
    if (!this.#cast.has(name)) {
      this.#writer.node('Cast', [stored], [name], { to: type });
      this.#cast.add(name);
    }
    return name;
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

/** The outputs from..to-1 of a matrix stored in blocks: they follow one another in the file. */
function rowsOf({ scheme, data, scales, zeroPoints }: StoredWeight, from: number, to: number): StoredWeight {
  const cut = (tensor: ExternalTensor): ExternalTensor => {
    const [rows, ...rest] = tensor.shape as [number, ...number[]];
    const rowBytes = tensor.byteLength / rows;
    return {
      ...tensor,
      shape: [to - from, ...rest],
      offset: tensor.offset + from * rowBytes,
      byteLength: (to - from) * rowBytes,
    };
  };
  return {
    scheme,
    data: cut(data),
    scales: cut(scales!),
    ...(zeroPoints && { zeroPoints: cut(zeroPoints) }),
  };
}
