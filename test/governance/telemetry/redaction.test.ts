import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InvalidInputError } from '#inhouse/errors.js';
import { errorText, errorType, redact } from '#inhouse/governance/telemetry/redaction.js';

const SECRET = 'aB3dE6gH9jK2mN5p';

describe('redaction', () => {
  it.each([
    `Authorization: Bearer ${SECRET}`,
    `authorization=Basic ${SECRET}==`,
    `api_key=${SECRET}`,
    `api-key: ${SECRET}`,
    `"apiKey": "${SECRET}"`,
    `ANYSCALE_API_KEY='${SECRET}'`,
    `{"token": "${SECRET}", "n": 1}`,
    `{"token":"${SECRET}`,
    `access_token=${SECRET}&n=1`,
    `client_secret=${SECRET}`,
    `password: ${SECRET}`,
    `key sk-${SECRET} is wrong`,
    `hf_${SECRET}`,
    `https://user:${SECRET}@example.org/v1`,
    `private_key = ${SECRET}`,
  ])('C-98: no secret is left of %s', (text) => {
    expect(redact(text)).not.toContain(SECRET);
    expect(redact(text)).toContain('[REDACTED]');
  });

  it.each([
    'The tokenizer read 12 tokens: maxTokens is 40, total_tokens: 52.',
    'No token to start from.',
    'The key question is whether passwords are needed.',
    'https://example.org/a:b',
  ])('leaves %s', (text) => {
    expect(redact(text)).toBe(text);
  });

  it('leaves what is beside a secret', () => {
    expect(redact(`{"model": "gpt2", "token": "${SECRET}", "n": 2}`)).toBe(
      '{"model": "gpt2", "token": "[REDACTED]", "n": 2}',
    );
  });

  it('finds a secret in the middle of any text', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (before, after) => {
        expect(redact(`${before} Bearer ${SECRET} ${after}`)).not.toContain(SECRET);
      }),
    );
  });

  it('cuts the text of an error to 200 characters, after redacting it', () => {
    expect(errorText(new Error('x'.repeat(5_000)))).toBe(`${'x'.repeat(200)}…`);
    expect(errorText(new Error(`${'x'.repeat(190)} Bearer ${SECRET}`))).not.toContain(SECRET.slice(0, 4));
    expect(errorText(`password=${SECRET}`)).toBe('password=[REDACTED]');
  });

  it('names the kind of an error: our code, else the class', () => {
    expect(errorType(new InvalidInputError('INHOUSE_EMPTY_PROMPT', ''))).toBe('INHOUSE_EMPTY_PROMPT');
    expect(errorType(new TypeError())).toBe('TypeError');
    expect(errorType('text')).toBe('string');
  });
});
