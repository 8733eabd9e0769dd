// Ids of calls: random UUIDs of version 4 (RFC 9562), as `crypto.randomUUID` makes them, with a fifth of its garbage.
import { randomFillSync } from 'node:crypto';

const ID_BYTES = 16;
/** So many ids' worth of randomness are fetched at once. */
const IDS_AT_ONCE = 128;
const HEX = Array.from('0123456789abcdef', (digit) => digit.charCodeAt(0));
const HYPHEN = '-'.charCodeAt(0);

const random = Buffer.alloc(ID_BYTES * IDS_AT_ONCE);
let next = random.length;
/** The characters of the id that is being made. */
const text = Buffer.alloc(36, HYPHEN);
/** Where each byte's two digits stand: between them are hyphens. */
const PLACES = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];

/** A new UUID. */
export function operationId(): string {
  if (next === random.length) {
    randomFillSync(random);
    next = 0;
  }
  for (let index = 0; index < ID_BYTES; index++) {
    let byte = random[next + index]!;
    if (index === 6) byte = (byte & 0x0f) | 0x40; // version
    if (index === 8) byte = (byte & 0x3f) | 0x80; // variant
    const place = PLACES[index]!;
    text[place] = HEX[byte >> 4]!;
    text[place + 1] = HEX[byte & 0x0f]!;
  }
  next += ID_BYTES;
  return text.toString('latin1');
}
