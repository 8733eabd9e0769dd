// Per-channel INT8: each output of a matrix has one scale, and zero is the code 0.
// The layout is what ONNX Runtime's DynamicQuantizeMatMul takes as B: [K, N], inputs by outputs.
import { SMALLEST_SCALE } from './block-grid.js';

export interface QuantizedChannels {
  readonly data: Int8Array; // [K, N], codes in -127..127
  readonly scales: Float32Array; // [N]
}

const TOP = 127;

/** Quantizes values [inputs, outputs], all finite, each column by its weight furthest from zero. */
export function quantizeChannel(values: Float32Array, inputs: number, outputs: number): QuantizedChannels {
  const scales = new Float32Array(outputs);
  for (let i = 0; i < inputs; i++) {
    for (let o = 0; o < outputs; o++) scales[o] = Math.max(scales[o]!, Math.abs(values[i * outputs + o]!));
  }
  for (let o = 0; o < outputs; o++) {
    const scale = Math.fround(scales[o]! / TOP);
    scales[o] = scale < SMALLEST_SCALE ? 0 : scale;
  }
  const data = new Int8Array(inputs * outputs);
  for (let at = 0; at < data.length; at++) {
    const scale = scales[at % outputs]!;
    if (scale === 0) continue;
    data[at] = Math.max(-TOP, Math.min(TOP, Math.floor(values[at]! / scale + 0.5)));
  }
  return { data, scales };
}

/** The values [inputs, outputs] that the quantized ones stand for, as float32 arithmetic gives them. */
export function dequantizeChannel({ data, scales }: QuantizedChannels): Float32Array {
  return Float32Array.from(data, (code, at) => code * scales[at % scales.length]!);
}
