// A twenty-line safetensors reader of the reference's own: it trusts the file and reads all of it, widened to doubles.
// src/checkpoint has the careful one; sharing it would let one mistake fool both sides of a comparison.
import { readFileSync } from 'node:fs';

/** Tensors by name, row-major. */
export type Tensors = ReadonlyMap<string, Float64Array>;

/** All tensors of a safetensors file: u64 header length, JSON header, data; offsets count from the header's end. */
export function readTensors(path: string): Tensors {
  const file = readFileSync(path);
  const dataStart = 8 + Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString('utf8', 8, dataStart)) as Record<
    string,
    { readonly dtype: string; readonly data_offsets: readonly [number, number] }
  >;
  const tensors = new Map<string, Float64Array>();
  for (const [name, { dtype, data_offsets }] of Object.entries(header)) {
    const decode = DECODERS[dtype];
    if (name === '__metadata__' || decode === undefined) continue;
    tensors.set(name, decode(file.subarray(dataStart + data_offsets[0], dataStart + data_offsets[1])));
  }
  return tensors;
}

const DECODERS: Readonly<Record<string, (bytes: Buffer) => Float64Array>> = {
  F32: (bytes) => new Float64Array(bytes.length / 4).map((_, i) => bytes.readFloatLE(4 * i)),
  F16: (bytes) => new Float64Array(bytes.length / 2).map((_, i) => HALVES[bytes.readUInt16LE(2 * i)]!),
  BF16: (bytes) =>
    new Float64Array(bytes.length / 2).map((_, i) => bfloatToDouble(bytes.readUInt16LE(2 * i))),
};

const widened = Buffer.alloc(4);

/** bfloat16 is the upper half of a float32. */
export function bfloatToDouble(bits: number): number {
  widened.writeUInt16LE(bits, 2);
  return widened.readFloatLE(0);
}

/** The value of every float16, by its bits. */
const HALVES = Float64Array.from({ length: 2 ** 16 }, (_, bits) => halfToDouble(bits));

/** IEEE 754 binary16: 1 sign bit, 5 exponent bits (bias 15), 10 fraction bits. */
export function halfToDouble(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
