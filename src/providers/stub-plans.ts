// When a stub fails and how long it takes: by the number of the call and a seed, so that every run is the same.

/** What call number `call`, from 0, throws, if anything. */
export type FaultPlan = (call: number) => unknown;

/** A fault for a share of the calls, independent of each other: the same calls for the same seed. */
export function failSometimes(share: number, seed: number, error: (call: number) => unknown): FaultPlan {
  return (call) => (uniform(seed, call) < share ? error(call) : undefined);
}

/** A fault for the first `count` calls. */
export function failFirst(count: number, error: (call: number) => unknown): FaultPlan {
  return (call) => (call < count ? error(call) : undefined);
}

/** Service times spread evenly over mean * (1 ± spread): the same ones for the same seed. */
export function serviceTimes(meanMs: number, spread: number, seed: number): (call: number) => number {
  return (call) => meanMs * (1 + spread * (2 * uniform(seed, call) - 1));
}

/** In [0, 1), from the two numbers alone: rounds of multiply and shift, after the finalizer of MurmurHash3. */
function uniform(seed: number, call: number): number {
  let bits = Math.imul(seed ^ Math.imul(call + 1, 0x9e3779b1), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  return ((bits ^ (bits >>> 13)) >>> 0) / 2 ** 32;
}
