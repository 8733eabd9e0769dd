// Philox4x32-10, a counter-based random generator: the n-th number of a stream is computed, not remembered.
// Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).

const ROUNDS = 10;
const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
const WEYL_0 = 0x9e3779b9;
const WEYL_1 = 0xbb67ae85;

type Words = readonly [number, number, number, number];

/** Four 32-bit words for a 128-bit counter and a 64-bit key (least significant word first). */
export function philox4x32(counter: Words, key: readonly [number, number]): Words {
  let [x0, x1, x2, x3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < ROUNDS; round++) {
    const high0 = multiplyHigh(MULTIPLIER_0, x0);
    const high1 = multiplyHigh(MULTIPLIER_1, x2);
    const low0 = Math.imul(MULTIPLIER_0, x0);
    const low1 = Math.imul(MULTIPLIER_1, x2);
    x0 = high1 ^ x1 ^ k0;
    x2 = high0 ^ x3 ^ k1;
    x1 = low1;
    x3 = low0;
    k0 = (k0 + WEYL_0) | 0;
    k1 = (k1 + WEYL_1) | 0;
  }
  return [x0 >>> 0, x1 >>> 0, x2 >>> 0, x3 >>> 0];
}

/**
 * The uniform number in [0, 1), with 53 random bits, of draw number `position` of a request.
 * `seed` and `position` are integers in [0, 2^53); `stream` in [0, 2^32) separates choices that share a seed.
 */
export function uniform(seed: number, position: number, stream: number): number {
  const [a, b] = philox4x32([low(position), high(position), stream >>> 0, 0], [low(seed), high(seed)]);
  return ((a >>> 5) * 2 ** 26 + (b >>> 6)) / 2 ** 53;
}

const low = (n: number) => (n % 2 ** 32) >>> 0;
const high = (n: number) => Math.floor(n / 2 ** 32) >>> 0;

/** Upper 32 bits of the product of two unsigned 32-bit integers. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16); // < 2^33: exact in a double
  const middleLow = (middle & 0xffff) + aLow * bHigh;
  return aHigh * bHigh + Math.floor(middle / 2 ** 16) + Math.floor(middleLow / 2 ** 16);
}
