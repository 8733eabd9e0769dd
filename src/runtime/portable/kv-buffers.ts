// The KV cache of the portable runner: per layer one block for K and one for V, [slots, heads, capacity, headSize].
// Slots are allocated as rows open, capacity as rows grow: ONNX Runtime's cost per step grows with the capacity.

export interface KvShape {
  readonly layers: number;
  readonly heads: number;
  readonly headSize: number;
  readonly maxSlots: number;
  readonly maxCapacity: number; // tokens
}

/** Capacity is a multiple of this many tokens. */
const CAPACITY_STEP = 64;

export class KvBuffers {
  readonly #shape: KvShape;
  #slots = 0;
  #capacity = 0; // tokens
  #keys: Float32Array[] = []; // per layer, [slots, heads, capacity, headSize]
  #values: Float32Array[] = [];
  #copiedBytes = 0;

  constructor(shape: KvShape) {
    this.#shape = shape;
  }

  /** Tokens per slot in the blocks as they are now. */
  get capacity(): number {
    return this.#capacity;
  }

  get bytes(): number {
    return 2 * this.#shape.layers * this.#slots * this.#slotLength * Float32Array.BYTES_PER_ELEMENT;
  }

  get copiedBytes(): number {
    return this.#copiedBytes;
  }

  /**
   * Fits the blocks to slots that hold `lengths[slot]` tokens and must have room for `needed` in any of them.
   * Grows at once, or throws and leaves them as they were; shrinks when less than half is in use, so that it does not
   * swing.
   */
  fit(lengths: readonly number[], needed: number): void {
    const { maxSlots, maxCapacity } = this.#shape;
    const slots = Math.min(nextPowerOfTwo(lengths.length), maxSlots);
    const capacity = Math.min(Math.ceil(needed / CAPACITY_STEP) * CAPACITY_STEP, maxCapacity);
    if (slots === this.#slots && capacity === this.#capacity) return;
    const tooSmall = slots > this.#slots || capacity > this.#capacity;
    const tooLarge = slots * 2 <= this.#slots || capacity * 2 <= this.#capacity;
    if (!tooSmall && !tooLarge) return;
    try {
      this.#relayout(
        tooLarge ? slots : Math.max(slots, this.#slots),
        tooLarge ? capacity : Math.max(capacity, this.#capacity),
        lengths,
      );
    } catch (error) {
      if (tooSmall) throw error; // without memory for smaller blocks, the larger ones do
    }
  }

  /** Slots first..first+count-1 of a layer, for reading by ONNX Runtime: [count, heads, capacity, headSize]. */
  view(
    layer: number,
    first: number,
    count: number,
  ): { keys: Float32Array; values: Float32Array; dims: number[] } {
    const { heads, headSize } = this.#shape;
    const begin = first * this.#slotLength;
    const end = begin + count * this.#slotLength;
    return {
      keys: this.#keys[layer]!.subarray(begin, end),
      values: this.#values[layer]!.subarray(begin, end),
      dims: [count, heads, this.#capacity, headSize],
    };
  }

  /**
   * Stores one position. `qkv` [.., 3 * heads * headSize] holds queries, keys and values side by side; `offset` is
   * where the position's queries begin.
   */
  write(layer: number, slot: number, position: number, qkv: Float32Array, offset: number): void {
    const { heads, headSize } = this.#shape;
    const width = heads * headSize;
    for (let head = 0; head < heads; head++) {
      const target = this.#at(slot, head, position);
      const key = offset + width + head * headSize;
      const value = key + width;
      this.#keys[layer]!.set(qkv.subarray(key, key + headSize), target);
      this.#values[layer]!.set(qkv.subarray(value, value + headSize), target);
    }
  }

  /** Copies the first `length` positions of one slot to another. */
  copy(from: number, to: number, length: number): void {
    const { heads, headSize } = this.#shape;
    for (const block of [...this.#keys, ...this.#values]) {
      for (let head = 0; head < heads; head++) {
        const source = this.#at(from, head, 0);
        block.copyWithin(this.#at(to, head, 0), source, source + length * headSize);
      }
    }
    this.#copiedBytes += this.#bytesOf(length);
  }

  get #slotLength(): number {
    return this.#shape.heads * this.#capacity * this.#shape.headSize;
  }

  #at(slot: number, head: number, position: number): number {
    return ((slot * this.#shape.heads + head) * this.#capacity + position) * this.#shape.headSize;
  }

  #bytesOf(tokens: number): number {
    const { layers, heads, headSize } = this.#shape;
    return 2 * layers * heads * headSize * Float32Array.BYTES_PER_ELEMENT * tokens;
  }

  #relayout(slots: number, capacity: number, lengths: readonly number[]): void {
    const { heads, headSize } = this.#shape;
    const moved = (old: Float32Array | undefined): Float32Array => {
      const fresh = new Float32Array(slots * heads * capacity * headSize);
      lengths.forEach((length, slot) => {
        for (let head = 0; head < heads && length > 0; head++) {
          const source = this.#at(slot, head, 0);
          fresh.set(
            old!.subarray(source, source + length * headSize),
            (slot * heads + head) * capacity * headSize,
          );
        }
      });
      return fresh;
    };
    const layers = Array.from({ length: this.#shape.layers }, (_, layer) => layer);
    const keys = layers.map((layer) => moved(this.#keys[layer]));
    const values = layers.map((layer) => moved(this.#values[layer]));
    [this.#keys, this.#values, this.#slots, this.#capacity] = [keys, values, slots, capacity];
    this.#copiedBytes += this.#bytesOf(lengths.reduce((sum, length) => sum + length, 0));
  }
}

function nextPowerOfTwo(n: number): number {
  return n === 0 ? 0 : 2 ** Math.ceil(Math.log2(n));
}
