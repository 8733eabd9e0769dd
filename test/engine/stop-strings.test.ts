import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StopStrings } from '#inhouse/engine/stop-strings.js';

/** Feeds the pieces; returns what was shown and which stop string ended it. */
function scan(
  stops: readonly string[],
  pieces: readonly string[],
): { text: string; found: string | undefined } {
  const scanner = new StopStrings(stops);
  let text = '';
  for (const piece of pieces) {
    const { text: shown, found } = scanner.push(piece);
    text += shown;
    if (found !== undefined) return { text, found };
  }
  return { text: text + scanner.flush(), found: undefined };
}

describe('stop strings', () => {
  it('are found inside one piece and cut off with all that follows', () => {
    expect(scan(['END'], ['one END two'])).toEqual({ text: 'one ', found: 'END' });
  });

  it('are found when split over pieces, and nothing of them is shown before', () => {
    const scanner = new StopStrings(['\n\nYou:']);
    expect(scanner.push('fine\n')).toEqual({ text: 'fine', found: undefined });
    expect(scanner.push('\nYo')).toEqual({ text: '', found: undefined });
    expect(scanner.push('u: hi')).toEqual({ text: '', found: '\n\nYou:' });
  });

  it('release text that only looked like the beginning of one', () => {
    const scanner = new StopStrings(['abc']);
    expect(scanner.push('xab').text).toBe('x');
    expect(scanner.push('ab').text).toBe('ab');
    expect(scanner.flush()).toBe('ab');
    expect(scanner.flush()).toBe('');
  });

  it('give way to the one that begins first, then to the longer', () => {
    expect(scan(['cd', 'bc'], ['abcd'])).toEqual({ text: 'a', found: 'bc' });
    expect(scan(['b', 'bcd'], ['abcd'])).toEqual({ text: 'a', found: 'bcd' });
  });

  it('do nothing when there are none', () => {
    expect(scan([], ['any', 'thing'])).toEqual({ text: 'anything', found: undefined });
  });

  it('end the text where the first of them ends, however the text is cut into pieces', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 30 });
    const stop = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(fc.array(letters, { maxLength: 8 }), fc.array(stop, { maxLength: 3 }), (pieces, stops) => {
        const { text, found } = scan(stops, pieces);
        const whole = pieces.join('');
        if (found === undefined) {
          expect(text).toBe(whole);
          expect(stops.some((each) => whole.includes(each))).toBe(false);
        } else {
          // What was shown ends exactly where a stop string begins, and holds none itself.
          expect(whole.startsWith(text + found)).toBe(true);
          expect(stops.some((each) => text.includes(each))).toBe(false);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
