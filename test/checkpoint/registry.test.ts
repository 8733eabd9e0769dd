import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { findModel, parseRegistry, registryModels, unknownModel } from '#inhouse/checkpoint/registry.js';

const file = fileURLToPath(new URL('../../models/registry.json', import.meta.url));
const content = JSON.parse(readFileSync(file, 'utf8')) as { models: Record<string, unknown>[] };

/** The registry file with one field of one entry changed. */
function changed(index: number, field: string, value: unknown): unknown {
  return { models: content.models.map((model, at) => (at === index ? { ...model, [field]: value } : model)) };
}

describe('the registry', () => {
  it('has the five GPT-2 checkpoints, smallest first', () => {
    expect(registryModels().map(({ id }) => id)).toEqual([
      'distilgpt2',
      'gpt2',
      'gpt2-medium',
      'gpt2-large',
      'gpt2-xl',
    ]);
  });

  it.each(registryModels().map((model) => [model.id, model] as const))(
    '%s has as many parameters as a GPT-2 of its size',
    (_, { width, layers, contextLength, parameters }) => {
      const vocabularySize = 50_257;
      const norm = 2 * width;
      const attention = width * 3 * width + 3 * width + width * width + width;
      const mlp = width * 4 * width + 4 * width + 4 * width * width + width;
      const embeddings = (vocabularySize + contextLength) * width;
      expect(parameters).toBe(embeddings + layers * (2 * norm + attention + mlp) + norm);
    },
  );

  it.each([
    ['gpt2', 'gpt2'],
    ['GPT2', 'gpt2'],
    ['gpt2-small', 'gpt2'],
    ['GPT2-124M', 'gpt2'],
    ['openai-community/gpt2', 'gpt2'],
    ['OpenAI-Community/GPT2-XL', 'gpt2-xl'],
    ['gpt2-1.5b', 'gpt2-xl'],
    ['distilbert/distilgpt2', 'distilgpt2'],
  ])('finds %s', (name, id) => {
    expect(findModel(name)?.id).toBe(id);
  });

  it.each(['', 'gpt3', 'gpt', 'embedded'])('does not find %j', (name) => {
    expect(findModel(name)).toBeUndefined();
  });
});

describe('the error for an unknown model', () => {
  it.each([
    ['gpt-2', 'gpt2'],
    ['gtp2', 'gpt2'],
    ['GPT2-MEDUIM', 'gpt2-medium'],
    ['distillgpt2', 'distilgpt2'],
    ['embeded', 'embedded'],
    ['openai-comunity/gpt2', 'openai-community/gpt2'],
  ])('suggests a near name: %s, %s', (name, suggestion) => {
    const error = unknownModel(name);
    expect(error).toMatchObject({ code: 'INHOUSE_MODEL_UNKNOWN', details: { suggestion } });
    expect(error.message).toContain(`Did you mean "${suggestion}"?`);
  });

  it.each(['llama', 'x', ''])('suggests nothing for %j, and lists what there is', (name) => {
    const { message } = unknownModel(name);
    expect(message).not.toContain('Did you mean');
    expect(message).toContain('embedded, distilgpt2, gpt2, gpt2-medium, gpt2-large, gpt2-xl');
  });
});

describe('reading the registry', () => {
  it('takes the file as it is', () => {
    expect(parseRegistry(content)).toEqual(content.models);
  });

  it.each([
    ['parameters', 0],
    ['parameters', '124M'],
    ['layers', 1.5],
    ['heads', undefined],
    ['width', -1],
    ['contextLength', null],
    ['id', ''],
    ['hubId', 7],
    ['license', '  '],
    ['aliases', 'gpt2-small'],
    ['aliases', [1]],
  ])('refuses %s: %j, naming the field', (field, value) => {
    expect(() => parseRegistry(changed(1, field, value))).toThrow(`models[1].${field}`);
  });

  it('refuses a name that two models share, letter case ignored', () => {
    expect(() => parseRegistry(changed(0, 'aliases', ['GPT2-XL']))).toThrow('"gpt2-xl" twice');
  });

  it.each([[null], [[]], [{}], [{ models: {} }], [{ models: [3] }]])('refuses %j', (value) => {
    expect(() => parseRegistry(value)).toThrow(expect.objectContaining({ code: 'INHOUSE_CONFIG_INVALID' }));
  });
});
