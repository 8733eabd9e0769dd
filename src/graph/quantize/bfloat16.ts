// Bfloat16: the upper half of a float32, with its range and 8 significant bits.

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** The nearest number that bfloat16 holds, ties to even. */
export function roundToBfloat16(value: number): number {
  float[0] = value;
  const isOdd = (bits[0]! >>> 16) & 1;
  bits[0] = (bits[0]! + 0x7fff + isOdd) & 0xffff0000;
  return float[0];
}

/** Bits of values that bfloat16 holds. */
export function toBfloat16(values: Float32Array): Uint16Array {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  return Uint16Array.from(words, (word) => word >>> 16);
}
