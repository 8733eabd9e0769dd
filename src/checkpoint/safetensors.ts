// Safetensors files: where each tensor lies, and one tensor at a time as float32.
// It never loads a file whole, trusts nothing in a header, and knows nothing of GPT-2.
// Format: https://huggingface.co/docs/safetensors (u64 little-endian header length, JSON header, data without holes).
import { type FileHandle, open, realpath } from 'node:fs/promises';
import { CheckpointError, type ErrorCode } from '../errors.js';

/** One tensor, as the header of its file describes it. Row-major, little-endian. */
export interface StoredTensor {
  readonly name: string;
  /** As stored: 'F32', 'F16', 'BF16', or another dtype of the format. */
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Real path, symbolic links resolved. */
  readonly file: string;
  /** Bytes from the start of the file. */
  readonly offset: number;
  readonly byteLength: number;
}

/** A header's text, and where the data it describes lies. */
interface Header {
  readonly file: string;
  readonly text: string;
  readonly dataStart: number; // bytes from the start of the file
  readonly dataBytes: number; // from dataStart to the end of the file
}

const LENGTH_BYTES = 8;
/** The reference implementation's limit. */
const MAX_HEADER_BYTES = 100_000_000;
/** The most that one read call is asked for; the system refuses 2 GiB. */
const MAX_READ_BYTES = 2 ** 30;

/** Dtypes that are not here (packed 4-bit ones, future ones) are not checked for length; nothing reads their data. */
const DTYPE_BYTES = new Map([
  ...['F64', 'I64', 'U64', 'C64'].map((dtype) => [dtype, 8] as const),
  ...['F32', 'I32', 'U32'].map((dtype) => [dtype, 4] as const),
  ...['F16', 'BF16', 'I16', 'U16'].map((dtype) => [dtype, 2] as const),
  ...['F8_E4M3', 'F8_E5M2', 'F8_E8M0', 'I8', 'U8', 'BOOL'].map((dtype) => [dtype, 1] as const),
]);

/**
 * Reads the header of a safetensors file, and nothing else of it, and checks it against the file's size.
 * Returns the tensors in the order they lie in the file; `__metadata__` is ignored.
 * @throws CheckpointError `INHOUSE_SAFETENSORS_TRUNCATED`, `INHOUSE_SAFETENSORS_HEADER`,
 * `INHOUSE_SAFETENSORS_OFFSETS`, `INHOUSE_TENSOR_DUPLICATE`; where the file cannot be read
 * `INHOUSE_CHECKPOINT_FILE_MISSING` or `INHOUSE_CHECKPOINT_UNREADABLE`.
 */
export async function readSafetensorsHeader(path: string): Promise<readonly StoredTensor[]> {
  const header = await withFile(path, readHeader);
  const tensors = storedTensors(header).sort((a, b) => a.offset - b.offset || a.byteLength - b.byteLength);
  checkCoverage(header, tensors);
  return tensors;
}

/**
 * Reads one tensor, row-major, and widens it to float32. F32, F16 and BF16 come out exact, NaN bits included.
 * @throws CheckpointError `INHOUSE_TENSOR_DTYPE` for other dtypes, `INHOUSE_SAFETENSORS_TRUNCATED` when the file has
 * shrunk since its header was read; as `readSafetensorsHeader` where the file cannot be read.
 */
export async function readTensor(tensor: StoredTensor): Promise<Float32Array> {
  const { dtype, byteLength } = tensor;
  // Typed arrays have the host's byte order, which is little-endian wherever ONNX Runtime runs.
  if (dtype === 'F32') return fill(tensor, new Float32Array(byteLength / 4));
  if (dtype === 'F16') return widenFloat16(await fill(tensor, new Uint16Array(byteLength / 2)));
  if (dtype === 'BF16') return widenBfloat16(await fill(tensor, new Uint16Array(byteLength / 2)));
  throw new CheckpointError(
    'INHOUSE_TENSOR_DTYPE',
    `${tensor.file}: ${tensor.name} is stored as ${dtype}; only F32, F16 and BF16 can be read.`,
    { details: { file: tensor.file, tensor: tensor.name, dtype } },
  );
}

/** The error for a path of a checkpoint that the file system would not read. */
export function fileError(path: string, cause: unknown): CheckpointError {
  const { code, message } = cause as NodeJS.ErrnoException;
  return code === 'ENOENT'
    ? new CheckpointError('INHOUSE_CHECKPOINT_FILE_MISSING', `${path} does not exist.`, { cause })
    : new CheckpointError('INHOUSE_CHECKPOINT_UNREADABLE', `${path} cannot be read: ${message}`, { cause });
}

async function withFile<T>(
  path: string,
  use: (handle: FileHandle, realPath: string) => Promise<T>,
): Promise<T> {
  try {
    const file = await realpath(path);
    const handle = await open(file);
    try {
      return await use(handle, file);
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw error instanceof CheckpointError ? error : fileError(path, error);
  }
}

async function readHeader(handle: FileHandle, file: string): Promise<Header> {
  const { size } = await handle.stat();
  if (size < LENGTH_BYTES)
    throw broken('INHOUSE_SAFETENSORS_TRUNCATED', file, `the file has ${size} bytes, too few for a header.`);
  const start = new Uint8Array(LENGTH_BYTES);
  await readFully(handle, start, 0);
  const length = new DataView(start.buffer).getBigUint64(0, true);
  const available = size - LENGTH_BYTES;
  if (length > available || length > MAX_HEADER_BYTES)
    throw broken(
      'INHOUSE_SAFETENSORS_HEADER',
      file,
      `the header claims ${length} bytes, where the file has room for ${available} and the limit is ` +
        `${MAX_HEADER_BYTES}. The file is damaged, not a safetensors file, or a Git LFS pointer; download it again.`,
    );
  const bytes = new Uint8Array(Number(length));
  await readFully(handle, bytes, LENGTH_BYTES);
  const dataStart = LENGTH_BYTES + bytes.length;
  return { file, text: decodeUtf8(bytes, file), dataStart, dataBytes: size - dataStart };
}

function decodeUtf8(bytes: Uint8Array, file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw broken('INHOUSE_SAFETENSORS_HEADER', file, 'the header is not UTF-8 text.', cause);
  }
}

/** Reads until `bytes` is full or the file ends; returns the number of bytes read. */
async function readFully(handle: FileHandle, bytes: Uint8Array, position: number): Promise<number> {
  let done = 0;
  while (done < bytes.length) {
    const length = Math.min(bytes.length - done, MAX_READ_BYTES);
    const { bytesRead } = await handle.read(bytes, done, length, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}

function storedTensors(header: Header): StoredTensor[] {
  const entries = Object.entries(parseHeader(header));
  const repeated = firstRepeated(topLevelKeys(header.text));
  if (repeated !== undefined)
    throw broken('INHOUSE_TENSOR_DUPLICATE', header.file, `the header lists ${quote(repeated)} twice.`);
  return entries
    .filter(([name]) => name !== '__metadata__')
    .map(([name, entry]) => storedTensor(header, name, entry));
}

function parseHeader({ text, file }: Header): object {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw broken('INHOUSE_SAFETENSORS_HEADER', file, 'the header is not JSON.', cause);
  }
  if (isObject(json)) return json;
  throw broken('INHOUSE_SAFETENSORS_HEADER', file, 'the header is JSON but not an object.');
}

/**
 * The keys of a JSON object, repeated ones included (`JSON.parse` keeps only the last). `text` must be valid JSON:
 * there, at depth 1, the string before each colon is a key.
 */
function topLevelKeys(text: string): string[] {
  const keys: string[] = [];
  let depth = 0;
  let lastString = '';
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === '"') {
      const start = at++;
      while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
      lastString = text.slice(start, at + 1);
    } else if (character === '{' || character === '[') depth++;
    else if (character === '}' || character === ']') depth--;
    else if (character === ':' && depth === 1) keys.push(JSON.parse(lastString) as string);
  }
  return keys;
}

function firstRepeated(names: readonly string[]): string | undefined {
  const seen = new Set<string>();
  return names.find((name) => seen.size === seen.add(name).size);
}

function storedTensor(header: Header, name: string, entry: unknown): StoredTensor {
  const { file } = header;
  if (!isObject(entry) || typeof entry.dtype !== 'string' || !isSizes(entry.shape))
    throw broken(
      'INHOUSE_SAFETENSORS_HEADER',
      file,
      `the entry of ${quote(name)} needs a dtype (a string) and a shape (non-negative integers).`,
    );
  const invalid = (problem: string): CheckpointError => broken('INHOUSE_SAFETENSORS_OFFSETS', file, problem);
  const { dtype, shape, data_offsets: offsets } = entry;
  const [begin, end] = isSizes(offsets) && offsets.length === 2 ? offsets : [];
  if (begin === undefined || end === undefined || begin > end)
    throw invalid(`the data_offsets of ${quote(name)} must be two integers, 0 <= begin <= end.`);
  const byteLength = end - begin;
  const elementBytes = DTYPE_BYTES.get(dtype) ?? Number.NaN;
  const expected = shape.reduce((bytes, size) => bytes * size, elementBytes);
  if (DTYPE_BYTES.has(dtype) && byteLength !== expected)
    throw invalid(
      `${quote(name)} has ${byteLength} bytes of data, but ${dtype} [${shape}] takes ${expected}.`,
    );
  return { name, dtype, shape, file, offset: header.dataStart + begin, byteLength };
}

/** The data of a valid file is exactly its tensors, back to back. `tensors` are sorted by offset. */
function checkCoverage({ file, dataStart, dataBytes }: Header, tensors: readonly StoredTensor[]): void {
  const invalid = (problem: string): CheckpointError => broken('INHOUSE_SAFETENSORS_OFFSETS', file, problem);
  let covered = 0;
  for (const [index, { name, offset, byteLength }] of tensors.entries()) {
    const begin = offset - dataStart;
    const end = begin + byteLength;
    const range = `${quote(name)} lies at bytes ${begin} to ${end} of the data`;
    if (begin < covered) throw invalid(`${range} and overlaps ${quote(tensors[index - 1]!.name)}.`);
    if (begin > covered) {
      const outside = end > dataBytes ? `, which has only ${dataBytes} bytes` : '';
      throw invalid(`${range}${outside}; the tensors before it end at ${covered}, and gaps are not allowed.`);
    }
    covered = end;
  }
  if (covered > dataBytes)
    throw broken(
      'INHOUSE_SAFETENSORS_TRUNCATED',
      file,
      `the header describes ${covered} bytes of data, but only ${dataBytes} are there; download the file again.`,
    );
  if (covered < dataBytes) throw invalid(`the tensors end at byte ${covered} of ${dataBytes} bytes of data.`);
}

async function fill<T extends Float32Array<ArrayBuffer> | Uint16Array<ArrayBuffer>>(
  { file, name, offset, byteLength }: StoredTensor,
  target: T,
): Promise<T> {
  const read = await withFile(file, (handle) => readFully(handle, new Uint8Array(target.buffer), offset));
  if (read < byteLength)
    throw broken(
      'INHOUSE_SAFETENSORS_TRUNCATED',
      file,
      `the file ends after ${read} of the ${byteLength} bytes of ${quote(name)}; it changed while in use.`,
    );
  return target;
}

function widenBfloat16(halves: Uint16Array): Float32Array {
  const bits = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) bits[i] = halves[i]! << 16;
  return new Float32Array(bits.buffer);
}

let float16Bits: Uint32Array | undefined;

function widenFloat16(halves: Uint16Array): Float32Array {
  float16Bits ??= float16Table();
  const bits = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) bits[i] = float16Bits[halves[i]!]!;
  return new Float32Array(bits.buffer);
}

/** The float32 bits of every IEEE binary16: 1 sign bit, 5 exponent bits (bias 15), 10 fraction bits. */
function float16Table(): Uint32Array {
  const bits = new Uint32Array(65536);
  const values = new Float32Array(bits.buffer);
  for (let half = 0; half < 65536; half++) {
    const sign = half & 0x8000;
    const exponent = (half >>> 10) & 31;
    const fraction = half & 1023;
    // Infinities and NaNs go by their bits, so that no arithmetic touches a NaN's payload.
    if (exponent === 31) bits[half] = (sign << 16) | 0x7f800000 | (fraction << 13);
    else {
      const magnitude = exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25);
      values[half] = sign === 0 ? magnitude : -magnitude;
    }
  }
  return bits;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSizes(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

/** A name from the file, fit for a message whatever is in it. */
function quote(name: string): string {
  return JSON.stringify(name.length > 100 ? `${name.slice(0, 100)}...` : name);
}

function broken(code: ErrorCode, file: string, problem: string, cause?: unknown): CheckpointError {
  return new CheckpointError(code, `${file}: ${problem}`, { cause, details: { file } });
}
