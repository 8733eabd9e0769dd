// Runs a prepared graph step by step through onnxruntime-node, on the CPU, and keeps the KV of its rows in between: what a
// runner does with a graph, without the runner.
import ort from 'onnxruntime-node';
import type { Gpt2Config } from '#inhouse/checkpoint/config.js';
import { io } from '#inhouse/graph/io.js';
import type { PreparedModel } from '#inhouse/graph/prepare.js';

// Node.js 24 and later have Float16Array, of which onnxruntime-node 1.29 reads no byte (microsoft/onnxruntime#32323).
// Where it is missing when the first tensor is made, float16 is Uint16Array, as before.
Reflect.deleteProperty(globalThis, 'Float16Array');

type Numbers = Float32Array | Uint16Array;

/** What a step puts out, split by position: K = B * S, row after row. */
export interface StepOutputs {
  readonly logits: readonly Float32Array[]; // K of [V]
  readonly hidden: readonly Float32Array[]; // K of [D]
  readonly topIds: readonly Int32Array[]; // K of [C]
  readonly topLogits: readonly Float32Array[]; // K of [C]
  readonly topLogprob: Float32Array; // [K]
}

export class GraphSession {
  readonly session: ort.InferenceSession;
  readonly #prepared: PreparedModel;
  readonly #config: Gpt2Config;
  readonly #capacity: number;
  readonly #lengths: number[];
  readonly #kv = new Map<string, Numbers>(); // by input name: [rows, capacity * D] in the graph's own order

  private constructor(
    session: ort.InferenceSession,
    config: Gpt2Config,
    prepared: PreparedModel,
    rows: number,
    capacity: number,
  ) {
    this.session = session;
    this.#config = config;
    this.#prepared = prepared;
    this.#capacity = capacity;
    this.#lengths = Array.from({ length: rows }, () => 0);
    for (const name of this.#pasts().keys()) {
      const size = rows * capacity * config.width;
      const isHalf = prepared.kv.elementType === 'float16';
      this.#kv.set(name, isHalf ? new Uint16Array(size) : new Float32Array(size));
    }
  }

  static async open(
    config: Gpt2Config,
    prepared: PreparedModel,
    { rows, capacity }: { readonly rows: number; readonly capacity: number },
  ): Promise<GraphSession> {
    const session = await ort.InferenceSession.create(prepared.graphFile, {
      logSeverityLevel: 3,
      extra: { session: { model_external_initializers_file_folder_path: prepared.weightsFolder } },
    });
    return new GraphSession(session, config, prepared, rows, capacity);
  }

  /** Feeds equally many tokens to each of the rows first, first + 1, ... at once. */
  async step(first: number, tokens: ReadonlyArray<readonly number[]>): Promise<StepOutputs> {
    const [B, S] = [tokens.length, tokens[0]!.length];
    const pasts = this.#lengths.slice(first, first + B);
    const positions = pasts.flatMap((past) => Array.from({ length: S }, (_, i) => past + i));
    const longs = (values: readonly number[], dims: readonly number[]) =>
      new ort.Tensor('int64', BigInt64Array.from(values, BigInt), dims);
    const kv = [...this.#pasts()].map(([past, present]) => ({
      past,
      present,
      view: this.#view(past, first, B),
    }));
    const outputs = await this.session.run({
      [io.inputIds]: longs(tokens.flat(), [B, S]),
      [io.positionIds]: longs(positions, [B, S]),
      [io.seqlensK]: new ort.Tensor(
        'int32',
        pasts.map((past) => past + S - 1),
        [B],
      ),
      [io.totalSequenceLength]: new ort.Tensor('int32', [Math.max(...pasts) + S], []),
      [io.logitsIndex]: longs([...positions.keys()], [B * S]),
      ...Object.fromEntries(kv.map(({ past, view }) => [past, this.#tensor(view, B)])),
    });
    for (const { present, view } of kv) view.set(outputs[present]!.data as Numbers);
    for (let row = first; row < first + B; row++) this.#lengths[row]! += S;
    const { width, vocabularySize } = this.#config;
    const { candidates } = this.#prepared;
    const rowsOf = <Data>(name: string, size: number) => split(outputs[name]?.data as Data, B * S, size);
    return {
      logits: rowsOf<Float32Array>(io.logits, vocabularySize),
      hidden: rowsOf<Float32Array>(io.hidden, width),
      topIds: rowsOf<Int32Array>(io.topIds, candidates),
      topLogits: rowsOf<Float32Array>(io.topLogits, candidates),
      topLogprob: outputs[io.topLogprob]?.data as Float32Array,
    };
  }

  async release(): Promise<void> {
    await this.session.release();
  }

  #pasts(): Map<string, string> {
    return new Map(
      Array.from({ length: this.#config.layers }, (_, layer) => [
        [io.pastKey(layer), io.presentKey(layer)] as const,
        [io.pastValue(layer), io.presentValue(layer)] as const,
      ]).flat(),
    );
  }

  #view(name: string, first: number, count: number): Numbers {
    const stride = this.#capacity * this.#config.width;
    return this.#kv.get(name)!.subarray(first * stride, (first + count) * stride);
  }

  #tensor(view: Numbers, rows: number): ort.Tensor {
    const { heads, headSize, width } = this.#config;
    const { layout, elementType } = this.#prepared.kv;
    const dims = layout === 'heads' ? [rows, heads, this.#capacity, headSize] : [rows, this.#capacity, width];
    return new ort.Tensor(elementType, view, dims);
  }
}

function split<Data>(data: Data, rows: number, size: number): Data[] {
  const all = data as unknown as Float32Array | undefined;
  if (all === undefined) return [];
  return Array.from(
    { length: rows },
    (_, row) => all.subarray(row * size, (row + 1) * size) as unknown as Data,
  );
}
