// GPT-2's byte alphabet: 256 printable characters that stand for the 256 bytes in vocabularies and merges.
// Published with GPT-2's encoder.py: bytes 33-126, 161-172 and 174-255 stand for themselves as code points;
// the other 68, in order, are the code points from 256 on. So a space is written "Ġ" and a newline "Ċ".

/** The character of each byte, by byte: [256]. */
export const BYTE_CHARACTERS: readonly string[] = buildAlphabet();

const BYTES = new Map(BYTE_CHARACTERS.map((character, byte) => [character, byte]));

/** The bytes that a token written in the alphabet stands for; undefined when a character is not of the alphabet. */
export function bytesOf(token: string): Uint8Array | undefined {
  const bytes = new Uint8Array(token.length); // every character of the alphabet is one UTF-16 unit
  for (let i = 0; i < token.length; i++) {
    const byte = BYTES.get(token.charAt(i));
    if (byte === undefined) return undefined;
    bytes[i] = byte;
  }
  return bytes;
}

function buildAlphabet(): string[] {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isPrintable(byte) ? byte : next++));
}

function isPrintable(byte: number): boolean {
  return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
}
