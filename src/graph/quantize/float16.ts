// Float32 to IEEE binary16: rounded to nearest, ties to even, subnormals included.

/** From here on, values round to infinity: half a step above the largest float16, 65504. */
export const FLOAT16_OVERFLOW = 65520;

/** Bits of the nearest float16. Values must be below `FLOAT16_OVERFLOW` in magnitude, and not NaN. */
export function toFloat16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < halves.length; i++) {
    const sign = (bits[i]! >>> 16) & 0x8000;
    const magnitude = bits[i]! & 0x7fffffff;
    halves[i] = sign | (magnitude < SMALLEST_NORMAL ? roundSubnormal(values[i]!) : roundNormal(magnitude));
  }
  return halves;
}

const SMALLEST_NORMAL = 0x38800000; // float32 bits of 2^-14
const BIAS_DIFFERENCE = (127 - 15) << 23;

/** Drops 13 fraction bits. What is added carries into the kept ones exactly when the nearest even value is above. */
function roundNormal(bits: number): number {
  const isOdd = (bits >>> 13) & 1;
  return (bits - BIAS_DIFFERENCE + 0xfff + isOdd) >>> 13;
}

/** Subnormals are multiples of 2^-24; a double holds no fraction beside 2^52, so the sum rounds to a whole number. */
function roundSubnormal(value: number): number {
  return Math.abs(value) * 2 ** 24 + 2 ** 52 - 2 ** 52;
}
