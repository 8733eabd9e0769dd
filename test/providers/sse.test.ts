import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { eventData } from '#inhouse/providers/sse.js';

async function* inPieces(bytes: Uint8Array, cuts: readonly number[]): AsyncGenerator<Uint8Array> {
  const ends = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  let from = 0;
  for (const end of [...ends, bytes.length]) {
    yield bytes.subarray(from, end);
    from = end;
  }
}

async function read(text: string, cuts: readonly number[] = []): Promise<string[]> {
  const events: string[] = [];
  for await (const data of eventData(inPieces(Buffer.from(text), cuts))) events.push(data);
  return events;
}

describe('eventData', () => {
  it.each([
    ['events with LF, CR and CRLF', 'data: a\n\ndata: b\r\rdata: c\r\n\r\n', ['a', 'b', 'c']],
    ['data with and without a space', 'data:a\n\ndata:  b\n\n', ['a', ' b']],
    ['several data lines in one event', 'data: a\ndata: b\n\n', ['a\nb']],
    ['comments and other fields', ': ping\n\nevent: x\nid: 5\ndata: a\nretry: 3\n\n', ['a']],
    ['a colon and line ends in data', 'data: {"a": "b:c"}\n\n\n\n', ['{"a": "b:c"}']],
    ['an event that is cut off', 'data: a\n\ndata: b', ['a']],
    ['nothing', '', []],
  ])('reads %s', async (_what, text, events) => {
    expect(await read(text)).toEqual(events);
  });

  it('reads the same however the bytes are cut, also within a character or a line end', async () => {
    const line = fc.string({ unit: fc.constantFrom('a', 'é', '漢', '🦊', ':', ' ') });
    const end = fc.constantFrom('\n', '\r\n', '\r');
    await fc.assert(
      fc.asyncProperty(fc.array(line), end, fc.array(fc.nat()), async (lines, eol, cuts) => {
        const text = lines.map((data) => `data: ${data}${eol}${eol}`).join('');
        expect(await read(text, cuts)).toEqual(lines);
      }),
    );
  });

  it('takes a long line in many pieces without looking through it again for each', async () => {
    const bytes = Buffer.from(`data: ${'x'.repeat(2 ** 22)}\n\n`);
    const cuts = Array.from({ length: 4096 }, (_, i) => i * 1024);
    const events: string[] = [];
    for await (const data of eventData(inPieces(bytes, cuts))) events.push(data);
    expect(events.map(({ length }) => length)).toEqual([2 ** 22]);
  });
});
