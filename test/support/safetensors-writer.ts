// Writes safetensors files for tests: valid ones from numbers, and broken ones from a header of the test's choosing.
// Format: https://huggingface.co/docs/safetensors (u64 little-endian header length, JSON header, data).
import { writeFileSync } from 'node:fs';

export type WritableDtype = 'F64' | 'F32' | 'F16' | 'BF16' | 'U8' | 'BOOL';

export interface TensorToWrite {
  readonly name: string;
  readonly dtype: WritableDtype;
  readonly shape: readonly number[];
  /** Row-major; as many numbers as the shape says. */
  readonly data: Float32Array | Float64Array | readonly number[];
}

export interface WriteOptions {
  /** The `__metadata__` entry. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** Writes the tensors in the order given, back to back; the header is padded so that the data starts at a multiple of 8. */
export function writeSafetensors(
  path: string,
  tensors: readonly TensorToWrite[],
  options: WriteOptions = {},
): void {
  const header: Record<string, unknown> = Object.create(null);
  if (options.metadata !== undefined) header.__metadata__ = options.metadata;
  const chunks: Buffer[] = [];
  let end = 0;
  for (const { name, dtype, shape, data } of tensors) {
    const elements = shape.reduce((product, size) => product * size, 1);
    if (data.length !== elements) throw new Error(`${name}: ${data.length} numbers for shape [${shape}]`);
    if (Object.hasOwn(header, name)) throw new Error(`${name} is given twice; use writeRawSafetensors`);
    const chunk = encode(dtype, data);
    header[name] = { dtype, shape, data_offsets: [end, end + chunk.length] };
    end += chunk.length;
    chunks.push(chunk);
  }
  const json = Buffer.from(JSON.stringify(header));
  const padding = Buffer.alloc((8 - (json.length % 8)) % 8, ' ');
  writeRawSafetensors(path, { header: Buffer.concat([json, padding]), data: Buffer.concat(chunks) });
}

export interface RawSafetensors {
  /** Header text, or bytes where it is not even UTF-8. */
  readonly header: string | Uint8Array;
  /** The header length to claim; default the true one. */
  readonly claimedHeaderLength?: bigint;
  /** Default empty. */
  readonly data?: Uint8Array;
}

/** Writes exactly what it is given: the way to make a broken file. */
export function writeRawSafetensors(path: string, raw: RawSafetensors): void {
  const header = Buffer.from(raw.header as Uint8Array);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(raw.claimedHeaderLength ?? BigInt(header.length));
  writeFileSync(path, Buffer.concat([length, header, raw.data ?? Buffer.alloc(0)]));
}

function encode(dtype: WritableDtype, data: ArrayLike<number>): Buffer {
  const values = Array.from(data);
  switch (dtype) {
    case 'F64':
      return bytesOf(Float64Array.from(values));
    case 'F32':
      return bytesOf(Float32Array.from(values));
    case 'F16':
      return bytesOf(Uint16Array.from(values, toFloat16Bits));
    case 'BF16':
      return bytesOf(Uint16Array.from(values, toBfloat16Bits));
    case 'U8':
    case 'BOOL':
      return bytesOf(Uint8Array.from(values));
  }
}

function bytesOf(array: Float64Array | Float32Array | Uint16Array | Uint8Array): Buffer {
  return Buffer.from(array.buffer, array.byteOffset, array.byteLength);
}

/** Bits of the nearest IEEE binary16, ties to even. */
export function toFloat16Bits(value: number): number {
  return toSixteenBits(value, 10, -14);
}

/** Bits of the nearest bfloat16, ties to even. */
export function toBfloat16Bits(value: number): number {
  return toSixteenBits(value, 7, -126);
}

const float64 = new DataView(new ArrayBuffer(8));

/**
 * Rounds a float64 once, straight to the target. A number with exponent e is q quanta of 2^(e - mantissaBits);
 * the field is ((e - minExponent) << mantissaBits) + q, which also covers subnormals and carries into the exponent.
 */
function toSixteenBits(value: number, mantissaBits: number, minExponent: number): number {
  const infinity = 0x7fff & (-1 << mantissaBits);
  if (Number.isNaN(value)) return infinity | (1 << (mantissaBits - 1));
  float64.setFloat64(0, value);
  const high = float64.getUint32(0);
  const sign = (high >>> 31) << 15;
  const exponent = Math.max(((high >>> 20) & 0x7ff) - 1023, minExponent);
  const quanta = roundHalfToEven(Math.abs(value) / 2 ** (exponent - mantissaBits));
  const field = (exponent - minExponent) * 2 ** mantissaBits + quanta;
  return sign | Math.min(field, infinity);
}

function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest === 0.5) return floor % 2 === 0 ? floor : floor + 1;
  return rest < 0.5 ? floor : floor + 1;
}
