// Reading safetensors files: valid ones exactly, broken ones never, whatever is wrong with them.
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readSafetensorsHeader, readTensor, type StoredTensor } from '#inhouse/checkpoint/safetensors.js';
import { CheckpointError, type InhouseError } from '#inhouse/errors.js';
import {
  type TensorToWrite,
  toBfloat16Bits,
  toFloat16Bits,
  writeRawSafetensors,
  writeSafetensors,
} from '../support/safetensors-writer.js';

let folder: string;
let file: string;

beforeAll(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'inhouse-safetensors-')));
  file = join(folder, 'weights.safetensors');
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Two tensors in 20 bytes of data. */
const small: readonly TensorToWrite[] = [
  { name: 'first', dtype: 'F32', shape: [2, 2], data: [1, -2, 3.5, 0] },
  { name: 'second', dtype: 'F16', shape: [2], data: [0.5, 65504] },
];

async function failure(promise: Promise<unknown>): Promise<InhouseError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(CheckpointError);
  return error as InhouseError;
}

/** The error for a file with this header (as JSON, or as text where it is a string) and so many bytes of data. */
async function headerFailure(header: unknown, dataBytes = 0): Promise<InhouseError> {
  const text = typeof header === 'string' ? header : JSON.stringify(header);
  writeRawSafetensors(file, { header: text, data: new Uint8Array(dataBytes) });
  return failure(readSafetensorsHeader(file));
}

function f32(begin: number, end: number, shape: readonly unknown[] = [(end - begin) / 4]) {
  return { dtype: 'F32', shape, data_offsets: [begin, end] };
}

async function readAll(path: string): Promise<Map<string, { stored: StoredTensor; values: Float32Array }>> {
  const result = new Map<string, { stored: StoredTensor; values: Float32Array }>();
  for (const stored of await readSafetensorsHeader(path))
    result.set(stored.name, { stored, values: await readTensor(stored) });
  return result;
}

describe('a valid file', () => {
  it('lists its tensors with their absolute places, and not its metadata', async () => {
    writeSafetensors(file, small, { metadata: { format: 'pt' } });
    const dataStart = 8 + Number(readFileSync(file).readBigUInt64LE());
    expect(await readSafetensorsHeader(file)).toEqual([
      { name: 'first', dtype: 'F32', shape: [2, 2], file, offset: dataStart, byteLength: 16 },
      { name: 'second', dtype: 'F16', shape: [2], file, offset: dataStart + 16, byteLength: 4 },
    ]);
  });

  it('may list its tensors in any order, hold empty ones and scalars, and have no padding', async () => {
    const header = { late: f32(8, 12, []), early: f32(0, 8), none: f32(8, 8, [3, 0]) };
    writeRawSafetensors(file, { header: JSON.stringify(header), data: new Uint8Array(12) });
    const tensors = await readSafetensorsHeader(file);
    expect(tensors.map(({ name, shape }) => [name, shape])).toEqual([
      ['early', [2]],
      ['none', [3, 0]],
      ['late', []],
    ]);
    expect(await readTensor(tensors[1]!)).toEqual(new Float32Array(0));
  });

  it('may hold no tensor at all', async () => {
    writeRawSafetensors(file, { header: '{"__metadata__":{}}' });
    expect(await readSafetensorsHeader(file)).toEqual([]);
  });

  it('keeps any name, also those that mean something to JavaScript or JSON', async () => {
    const names = ['__proto__', 'constructor', '1', '', 'a"b\\', '{:}', '\u{1f600}', 'line\nbreak'];
    const entries = names.map(
      (name, index) => `${JSON.stringify(name)}:${JSON.stringify(f32(index * 4, index * 4 + 4))}`,
    );
    writeRawSafetensors(file, { header: `{${entries.join(',')}}`, data: new Uint8Array(names.length * 4) });
    expect((await readSafetensorsHeader(file)).map(({ name }) => name)).toEqual(names);
  });

  it('lists dtypes that it does not read', async () => {
    const header = { packed: { dtype: 'F4', shape: [4], data_offsets: [0, 2] } };
    writeRawSafetensors(file, { header: JSON.stringify(header), data: new Uint8Array(2) });
    const [tensor] = await readSafetensorsHeader(file);
    expect(tensor).toMatchObject({ name: 'packed', dtype: 'F4', byteLength: 2 });
    const error = await failure(readTensor(tensor!));
    expect(error.code).toBe('INHOUSE_TENSOR_DTYPE');
    expect(error.message).toMatch(/packed.*F4.*F32, F16 and BF16/);
  });

  it('is known by its real path when a symbolic link leads to it', async () => {
    writeSafetensors(file, small);
    const link = join(folder, 'link.safetensors');
    symlinkSync(file, link);
    expect((await readSafetensorsHeader(link)).map((tensor) => tensor.file)).toEqual([file, file]);
  });

  it('of 5 GiB is read in place: its header, and a tensor at its end', async () => {
    const bigBytes = 5 * 2 ** 30;
    const header = { big: f32(0, bigBytes), tail: f32(bigBytes, bigBytes + 4) };
    writeRawSafetensors(file, { header: JSON.stringify(header) });
    truncateSync(file, readFileSync(file).length + bigBytes); // sparse: takes no room on disk
    const tail = new Uint8Array(Float32Array.of(42).buffer);
    writeFileSync(file, tail, { flag: 'a' });
    const tensors = await readSafetensorsHeader(file);
    expect(tensors.map(({ byteLength }) => byteLength)).toEqual([bigBytes, 4]);
    expect(await readTensor(tensors[1]!)).toEqual(Float32Array.of(42));
    truncateSync(file, 0);
  });

  it('round-trips through writer and reader, whatever tensors it holds', async () => {
    const tensor = fc
      .tuple(fc.constantFrom('F32', 'F16', 'BF16'), fc.array(fc.nat(4), { maxLength: 3 }))
      .chain(([dtype, shape]) => {
        const length = shape.reduce((product, size) => product * size, 1);
        const value = fc.float({ noNaN: false });
        return fc
          .array(value, { minLength: length, maxLength: length })
          .map((data) => ({ dtype, shape, data }) as const);
      });
    const tensors = fc.uniqueArray(fc.tuple(fc.string(), tensor), {
      selector: ([name]) => name,
      maxLength: 6,
    });
    await fc.assert(
      fc.asyncProperty(tensors, async (named) => {
        const written = named
          .filter(([name]) => name !== '__metadata__')
          .map(([name, content]) => ({ name, ...content }));
        writeSafetensors(file, written);
        const read = await readAll(file);
        expect(read.size).toBe(written.length);
        for (const { name, dtype, shape, data } of written) {
          const { stored, values } = read.get(name)!;
          expect(stored).toMatchObject({ dtype, shape, file });
          expect(values).toEqual(Float32Array.from(data, (value) => nearest(dtype, value)));
        }
      }),
      { numRuns: 150 },
    );
  });
});

/** The value of the narrow float nearest to `value`, by arithmetic on numbers alone. */
function nearest(dtype: 'F32' | 'F16' | 'BF16', value: number): number {
  if (dtype === 'F32' || !Number.isFinite(value) || value === 0) return value;
  const [digits, minExponent, largest] =
    dtype === 'F16' ? [10, -14, 65504] : [7, -126, (2 - 2 ** -7) * 2 ** 127];
  let exponent = minExponent;
  while (2 ** (exponent + 1) <= Math.abs(value)) exponent++;
  const step = 2 ** (exponent - digits);
  const lower = Math.floor(value / step);
  const rest = value / step - lower;
  const rounded = (rest > 0.5 || (rest === 0.5 && lower % 2 !== 0) ? lower + 1 : lower) * step;
  if (Math.abs(rounded) > largest) return Math.sign(value) * Number.POSITIVE_INFINITY;
  return rounded === 0 ? 0 * Math.sign(value) : rounded;
}

describe('widening to float32', () => {
  const everyPattern = Uint16Array.from({ length: 65536 }, (_, bits) => bits);

  async function widened(dtype: 'F16' | 'BF16'): Promise<Float32Array> {
    const header = { all: { dtype, shape: [65536], data_offsets: [0, 131072] } };
    writeRawSafetensors(file, { header: JSON.stringify(header), data: new Uint8Array(everyPattern.buffer) });
    return readTensor((await readSafetensorsHeader(file))[0]!);
  }

  it('gives F16 its exact values', async () => {
    const values = await widened('F16');
    // Examples from the definition of IEEE 754 binary16.
    const known: readonly (readonly [number, number])[] = [
      [0x0000, 0],
      [0x8000, -0],
      [0x0001, 2 ** -24],
      [0x83ff, -1023 * 2 ** -24],
      [0x0400, 2 ** -14],
      [0x3555, 1365 * 2 ** -12],
      [0x3c00, 1],
      [0xc000, -2],
      [0x7bff, 65504],
      [0x7c00, Number.POSITIVE_INFINITY],
      [0xfc00, Number.NEGATIVE_INFINITY],
      [0x7e00, Number.NaN],
      [0xfc01, Number.NaN],
    ];
    for (const [bits, value] of known) expect(values[bits]).toBe(value);
  });

  it('gives BF16 the upper half of the float32', async () => {
    const bits = new Uint32Array((await widened('BF16')).buffer);
    expect(bits).toEqual(Uint32Array.from(everyPattern, (half) => half * 65536));
  });

  it.each([
    ['F16', toFloat16Bits],
    ['BF16', toBfloat16Bits],
  ] as const)('loses nothing: every %s narrows back to the bits it came from', async (dtype, narrow) => {
    const values = await widened(dtype);
    const changed = [...everyPattern].filter((bits) => {
      const value = values[bits]!;
      return !Number.isNaN(value) && narrow(value) !== bits;
    });
    expect(changed).toEqual([]);
  });

  it('keeps the payload of NaNs', async () => {
    const bits = new Uint32Array((await widened('F16')).buffer);
    expect([0x7e00, 0xfc01, 0x7fff].map((half) => bits[half])).toEqual([0x7fc00000, 0xff802000, 0x7fffe000]);
  });
});

describe('a broken file is refused', () => {
  it.each([0, 1, 7])('when it has only %i bytes', async (size) => {
    writeFileSync(file, new Uint8Array(size));
    const error = await failure(readSafetensorsHeader(file));
    expect(error.code).toBe('INHOUSE_SAFETENSORS_TRUNCATED');
    expect(error.message).toContain(`${size} bytes`);
  });

  it('when its header claims more bytes than the file has', async () => {
    for (const claimedHeaderLength of [3n, 2n ** 63n, 2n ** 64n - 1n]) {
      writeRawSafetensors(file, { header: '{}', claimedHeaderLength });
      const error = await failure(readSafetensorsHeader(file));
      expect(error.code).toBe('INHOUSE_SAFETENSORS_HEADER');
      expect(error.message).toContain(`claims ${claimedHeaderLength} bytes, where the file has room for 2`);
    }
  });

  it('when its header is over 100 MB, though the file has that much', async () => {
    writeRawSafetensors(file, { header: '{}', claimedHeaderLength: 100_000_001n });
    truncateSync(file, 200_000_000);
    const error = await failure(readSafetensorsHeader(file));
    expect(error.code).toBe('INHOUSE_SAFETENSORS_HEADER');
    expect(error.message).toContain('the limit is 100000000');
  });

  it('when it is a Git LFS pointer', async () => {
    writeFileSync(file, 'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 548105171\n');
    const error = await failure(readSafetensorsHeader(file));
    expect(error.code).toBe('INHOUSE_SAFETENSORS_HEADER');
    expect(error.message).toContain('Git LFS pointer');
  });

  it.each([
    ['empty', '', /not JSON/],
    ['not JSON', '{"a":', /not JSON/],
    ['not an object', '[]', /not an object/],
    ['null', 'null', /not an object/],
    ['behind a byte order mark', '\ufeff{}', /not JSON/],
  ])('when its header is %s', async (_, header, words) => {
    const error = await headerFailure(header);
    expect(error.code).toBe('INHOUSE_SAFETENSORS_HEADER');
    expect(error.message).toMatch(words);
  });

  it('when its header is not UTF-8', async () => {
    writeRawSafetensors(file, { header: Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x7d) });
    const error = await failure(readSafetensorsHeader(file));
    expect(error.code).toBe('INHOUSE_SAFETENSORS_HEADER');
    expect(error.message).toMatch(/not UTF-8/);
  });

  it.each([
    ['no object', 5],
    ['null', null],
    ['without a dtype', { shape: [1], data_offsets: [0, 4] }],
    ['with a number for a dtype', { dtype: 32, shape: [1], data_offsets: [0, 4] }],
    ['without a shape', { dtype: 'F32', data_offsets: [0, 4] }],
    ['with a negative size', f32(0, 4, [-1])],
    ['with a broken size', f32(0, 4, [0.5])],
    ['with a string for a size', f32(0, 4, ['1'])],
  ])('when an entry is %s', async (_, entry) => {
    const error = await headerFailure({ odd: entry }, 4);
    expect(error.code).toBe('INHOUSE_SAFETENSORS_HEADER');
    expect(error.message).toMatch(/"odd".*dtype.*shape/);
  });

  it.each([
    ['missing', undefined],
    ['one number', [0]],
    ['three numbers', [0, 4, 4]],
    ['negative', [-4, 0]],
    ['broken', [0, 4.5]],
    ['beyond exact integers', [0, 2 ** 53]],
    ['backwards', [4, 0]],
  ])('when its offsets are %s', async (_, offsets) => {
    const error = await headerFailure({ odd: { dtype: 'F32', shape: [1], data_offsets: offsets } }, 4);
    expect(error.code).toBe('INHOUSE_SAFETENSORS_OFFSETS');
    expect(error.message).toMatch(/data_offsets of "odd".*begin <= end/);
  });

  it.each([
    ['F32', [2], 4, '8'],
    ['F16', [4], 4, '8'],
    ['F64', [], 4, '8'],
    ['BOOL', [3], 4, '3'],
    ['F32', [0], 4, '0'],
    ['F32', [2 ** 52, 2 ** 52], 4, '8.112'],
  ])('when a %s of shape %j has %i bytes', async (dtype, shape, bytes, expected) => {
    const error = await headerFailure({ odd: { dtype, shape, data_offsets: [0, bytes] } }, bytes);
    expect(error.code).toBe('INHOUSE_SAFETENSORS_OFFSETS');
    expect(error.message).toContain(
      `"odd" has ${bytes} bytes of data, but ${dtype} [${shape}] takes ${expected}`,
    );
  });

  it.each([
    ['overlap', { a: f32(0, 8), b: f32(4, 12) }, 12, /"b" lies at bytes 4 to 12.*overlaps "a"/],
    ['coincide', { a: f32(0, 8), b: f32(0, 8) }, 8, /"b".*overlaps "a"/],
    ['contain one another', { a: f32(0, 12), b: f32(4, 8) }, 12, /"b".*overlaps "a"/],
    ['leave a gap', { a: f32(0, 4), b: f32(8, 12) }, 12, /"b" lies at bytes 8 to 12.*end at 4.*gaps/],
    ['start after a gap', { a: f32(4, 8) }, 8, /"a" lies at bytes 4 to 8.*end at 0/],
    ['lie outside the file', { a: f32(0, 4), b: f32(40, 44) }, 8, /"b" lies at bytes 40 to 44.*only 8 bytes/],
    ['leave bytes at the end', { a: f32(0, 4) }, 5, /end at byte 4 of 5/],
  ])('when its tensors %s', async (_, header, dataBytes, words) => {
    const error = await headerFailure(header, dataBytes);
    expect(error.code).toBe('INHOUSE_SAFETENSORS_OFFSETS');
    expect(error.message).toMatch(words);
  });

  it('when its data is cut short', async () => {
    const error = await headerFailure({ a: f32(0, 8) }, 7);
    expect(error.code).toBe('INHOUSE_SAFETENSORS_TRUNCATED');
    expect(error.message).toMatch(/8 bytes of data, but only 7/);
  });

  it.each([
    ['as it is', '"a"', '"a"'],
    ['spelled differently', '"a"', '"\\u0061"'],
    [
      'after text that looks like structure',
      '"}{[\\"":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"a"',
      '"a"',
    ],
  ])('when it names a tensor twice, %s', async (_, first, second) => {
    const entry = JSON.stringify({ ...f32(0, 4), nested: { '"a"': ['a', { a: 1 }] } });
    const error = await headerFailure(`{${first} : ${entry}, ${second}\n:${entry}}`, 4);
    expect(error.code).toBe('INHOUSE_TENSOR_DUPLICATE');
    expect(error.message).toContain('"a" twice');
  });

  it('when it is not there, or is a folder', async () => {
    const missing = await failure(readSafetensorsHeader(join(folder, 'nowhere.safetensors')));
    expect(missing.code).toBe('INHOUSE_CHECKPOINT_FILE_MISSING');
    expect(missing.message).toContain('nowhere.safetensors does not exist');
    mkdirSync(join(folder, 'folder.safetensors'));
    const unreadable = await failure(readSafetensorsHeader(join(folder, 'folder.safetensors')));
    expect(unreadable.code).toBe('INHOUSE_CHECKPOINT_UNREADABLE');
    expect(unreadable.message).toContain('EISDIR');
  });

  it('when it shrinks or goes between the header and the data', async () => {
    writeSafetensors(file, small);
    const [first, second] = await readSafetensorsHeader(file);
    truncateSync(file, second!.offset + 1);
    expect(await readTensor(first!)).toEqual(Float32Array.of(1, -2, 3.5, 0));
    const error = await failure(readTensor(second!));
    expect(error.code).toBe('INHOUSE_SAFETENSORS_TRUNCATED');
    expect(error.message).toMatch(/1 of the 4 bytes of "second"/);
    rmSync(file);
    expect((await failure(readTensor(first!))).code).toBe('INHOUSE_CHECKPOINT_FILE_MISSING');
  });

  it('at whatever byte it is cut off', async () => {
    writeSafetensors(file, small, { metadata: { format: 'pt' } });
    const bytes = readFileSync(file);
    const codes = new Set<string>();
    for (let length = 0; length < bytes.length; length++) {
      writeFileSync(file, bytes.subarray(0, length));
      codes.add((await failure(readSafetensorsHeader(file))).code);
    }
    expect([...codes].sort()).toEqual(['INHOUSE_SAFETENSORS_HEADER', 'INHOUSE_SAFETENSORS_TRUNCATED']);
  });

  it('or else read without harm, whatever bytes of its header are wrong', async () => {
    writeSafetensors(file, small, { metadata: { format: 'pt' } });
    const good = readFileSync(file);
    const headerEnd = 8 + Number(good.readBigUInt64LE());
    const flip = fc.record({ at: fc.nat(headerEnd - 1), byte: fc.integer({ min: 1, max: 255 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(flip, { minLength: 1, maxLength: 3 }), async (flips) => {
        const bytes = Buffer.from(good);
        for (const { at, byte } of flips) bytes[at]! ^= byte;
        writeFileSync(file, bytes);
        const outcome: unknown = await readAll(file).catch((error: unknown) => error);
        expect(outcome instanceof CheckpointError || outcome instanceof Map).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('the writer of these tests', () => {
  it.each([
    [1 + 2 ** -11, 0x3c00],
    [1 + 3 * 2 ** -11, 0x3c02],
    [1 + 2 ** -11 + 2 ** -40, 0x3c01],
    [65519.99, 0x7bff],
    [-65520, 0xfc00],
    [2 ** -25, 0x0000],
    [2 ** -25 + 2 ** -60, 0x0001],
    [2 ** -14 - 2 ** -26, 0x0400],
  ])('rounds %d once, to the nearest F16, ties to even', (value, bits) => {
    expect(toFloat16Bits(value)).toBe(bits);
  });

  it.each([
    [1 + 2 ** -8, 0x3f80],
    [1 + 3 * 2 ** -8, 0x3f82],
    [1 + 2 ** -8 + 2 ** -40, 0x3f81],
    [-3.4e38, 0xff80],
    [2 ** -134, 0x0000],
  ])('rounds %d once, to the nearest BF16, ties to even', (value, bits) => {
    expect(toBfloat16Bits(value)).toBe(bits);
  });
});
