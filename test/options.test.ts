import { describe, expect, it } from 'vitest';
import { type GenerateOptions, resolveOptions } from '#inhouse/engine/options.js';

const given = (options: object) => () => resolveOptions(options as GenerateOptions, [50256]);

describe('generation options', () => {
  it.each<[string, unknown[]]>([
    ['maxTokens', [0, -1, 1.5, 2 ** 40, Number.NaN, '10', null]],
    ['minTokens', [-1, 0.5]],
    ['temperature', [-0.1, Number.NaN, Number.POSITIVE_INFINITY, '1']],
    ['topK', [-1, 2.5]],
    ['topP', [0, 1.01, -1, Number.NaN]],
    ['minP', [-0.1, 1.1]],
    ['repetitionPenalty', [0, -1, Number.POSITIVE_INFINITY]],
    ['presencePenalty', [-2.1, 2.1, Number.NaN]],
    ['frequencyPenalty', [-2.1, 2.1]],
    ['seed', [-1, 0.5, 2 ** 53, 'seed']],
    ['stop', ['', [''], [1], 5, new Array(3), Object.assign(new Array(2), { 1: 'x' })]],
    ['stopTokenIds', [[-1], [0.5], 3, ['3'], new Array(3)]],
    ['logprobs', [-1, 21, true]],
    ['echo', ['yes', 1]],
    ['n', [0, 65, 1.5]],
    ['logitBias', [{ a: 1 }, { 1: 101 }, { 1: Number.NaN }, { '-1': 1 }, 5]],
    ['contextOverflow', ['drop', true]],
    ['allowSpecialTokens', ['no']],
    ['signal', [{}, new AbortController()]],
    ['onToken', ['callback']],
  ])('refuse a bad %s by name', (option, values) => {
    for (const value of values) {
      expect(given({ [option]: value }), String(value)).toThrow(
        expect.objectContaining({
          code: 'INHOUSE_INVALID_OPTION',
          details: expect.objectContaining({ option }),
        }),
      );
    }
  });

  it('refuse unknown names and list the known ones', () => {
    expect(given({ max_tokens: 5 })).toThrow(
      expect.objectContaining({
        code: 'INHOUSE_UNKNOWN_OPTION',
        message: expect.stringContaining('maxTokens'),
      }),
    );
    expect(given({ toString: 5 })).toThrow(expect.objectContaining({ code: 'INHOUSE_UNKNOWN_OPTION' }));
  });

  it('refuse options that are not an object, and minTokens above maxTokens', () => {
    expect(() => resolveOptions(5 as GenerateOptions, [])).toThrow(/must be an object/);
    expect(given({ minTokens: 6, maxTokens: 5 })).toThrow(/minTokens is 6; it must be at most maxTokens, 5/);
  });

  it('take undefined as not given, and accept every edge of a range', () => {
    const edges = {
      maxTokens: 1,
      temperature: 0,
      topP: 1,
      minP: 1,
      seed: 2 ** 53 - 1,
      logprobs: 20,
      n: 64,
      topK: undefined,
    };
    const { sampling, n } = given(edges)();
    expect(n).toBe(64);
    expect(sampling).toMatchObject({
      temperature: 0,
      topK: 0,
      topP: 1,
      minP: 1,
      seed: 2 ** 53 - 1,
      logprobs: 20,
    });
  });

  it("always stop at the model's end-of-text token, and draw a seed when none is given", () => {
    expect(given({ stopTokenIds: [13, 50256] })().sampling.stopTokenIds).toEqual([50256, 13]);
    const seeds = Array.from({ length: 5 }, () => given({})().sampling.seed);
    expect(new Set(seeds).size).toBe(5);
  });
});
