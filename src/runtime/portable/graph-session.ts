// One ONNX Runtime session over a prepared graph, called in terms of tokens and KV buffers.
import ort from 'onnxruntime-node';
import { RunnerError } from '../../errors.js';
import { io } from '../../graph/io.js';
import type { KvBuffers } from './kv-buffers.js';

export interface SessionOptions {
  readonly graphFile: string;
  readonly weightsFolder: string;
  readonly threads: number;
}

/** New tokens for `count` neighbouring slots; every slot gets equally many. */
export interface StepInput {
  readonly kv: KvBuffers;
  readonly firstSlot: number;
  /** [count, S] */
  readonly tokens: ReadonlyArray<readonly number[]>;
  /** [count]: positions already held. S > 1 with a past is possible for one slot at a time only. */
  readonly past: readonly number[];
  /** Which of the count * S flattened positions to return logits for. */
  readonly logitsAt: readonly number[];
}

export interface StepOutput {
  /** [logitsAt.length, V] */
  readonly logits: Float32Array;
  /** [count, S, D], only if asked for. */
  readonly hidden: Float32Array | undefined;
}

export class GraphSession {
  readonly #session: ort.InferenceSession;
  readonly #layers: number;

  private constructor(session: ort.InferenceSession, layers: number) {
    this.#session = session;
    this.#layers = layers;
  }

  /** Throws a `RunnerError` (`INHOUSE_RUNTIME_LOAD`) with ONNX Runtime's message. */
  static async open(options: SessionOptions, layers: number): Promise<GraphSession> {
    try {
      const session = await ort.InferenceSession.create(options.graphFile, {
        executionProviders: ['cpu'],
        intraOpNumThreads: options.threads,
        interOpNumThreads: 1,
        enableMemPattern: false, // shapes change from step to step
        logSeverityLevel: 3,
        extra: {
          session: {
            model_external_initializers_file_folder_path: options.weightsFolder,
            // Threads that wait in a busy loop make steps a few percent faster, and hold up the caller's event loop.
            intra_op: { allow_spinning: '0' },
          },
        },
      });
      return new GraphSession(session, layers);
    } catch (cause) {
      throw new RunnerError(
        'INHOUSE_RUNTIME_LOAD',
        `ONNX Runtime could not load ${options.graphFile}: ${text(cause)}`,
        {
          cause,
        },
      );
    }
  }

  /** Runs one step and stores the new keys and values; throws `INHOUSE_RUNTIME_STEP`, having stored nothing. */
  async step(input: StepInput, wantHidden = false): Promise<StepOutput> {
    const { kv, tokens, past } = input;
    const newTokens = tokens[0]!.length;
    const fetches = [io.logits, ...this.#each(io.qkv)];
    if (wantHidden) fetches.push(io.hidden);

    let outputs: ort.InferenceSession.OnnxValueMapType;
    try {
      outputs = await this.#session.run(this.#feeds(input), fetches);
    } catch (cause) {
      throw new RunnerError('INHOUSE_RUNTIME_STEP', `ONNX Runtime failed in a step: ${text(cause)}`, {
        cause,
      });
    }

    for (let layer = 0; layer < this.#layers; layer++) {
      const qkv = floats(outputs, io.qkv(layer)); // [count, S, 3 * D]
      const stride = qkv.length / (tokens.length * newTokens);
      for (let row = 0; row < tokens.length; row++) {
        for (let s = 0; s < newTokens; s++) {
          kv.write(layer, input.firstSlot + row, past[row]! + s, qkv, (row * newTokens + s) * stride);
        }
      }
    }
    return {
      logits: floats(outputs, io.logits),
      hidden: wantHidden ? floats(outputs, io.hidden) : undefined,
    };
  }

  async release(): Promise<void> {
    await this.#session.release();
  }

  #feeds({ kv, firstSlot, tokens, past, logitsAt }: StepInput): Record<string, ort.Tensor> {
    const rows = tokens.length;
    const newTokens = tokens[0]!.length;
    const positions = past.flatMap((begin) => tokens[0]!.map((_, s) => begin + s));
    const feeds: Record<string, ort.Tensor> = {
      [io.inputIds]: int64(tokens.flat(), [rows, newTokens]),
      [io.positionIds]: int64(positions, [rows, newTokens]),
      [io.kvRows]: int32(
        past.map((_, row) => row),
        [rows],
      ),
      [io.seqlensK]: int32(
        past.map((length) => length + newTokens - 1),
        [rows],
      ),
      [io.totalSequenceLength]: int32([Math.max(...past) + newTokens], []),
      [io.logitsIndex]: int64(logitsAt, [logitsAt.length]),
    };
    for (let layer = 0; layer < this.#layers; layer++) {
      const { keys, values, dims } = kv.view(layer, firstSlot, rows);
      feeds[io.pastKey(layer)] = new ort.Tensor('float32', keys, dims);
      feeds[io.pastValue(layer)] = new ort.Tensor('float32', values, dims);
    }
    return feeds;
  }

  #each(name: (layer: number) => string): string[] {
    return Array.from({ length: this.#layers }, (_, layer) => name(layer));
  }
}

/** The version of the ONNX Runtime library in use. */
export const runtimeVersion: string = ort.env.versions.node ?? 'unknown';

const int64 = (values: readonly number[], dims: readonly number[]) =>
  new ort.Tensor('int64', BigInt64Array.from(values, BigInt), dims);
const int32 = (values: readonly number[], dims: readonly number[]) =>
  new ort.Tensor('int32', Int32Array.from(values), dims);

function floats(outputs: ort.InferenceSession.OnnxValueMapType, name: string): Float32Array {
  return (outputs[name] as ort.Tensor).data as Float32Array;
}

function text(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
