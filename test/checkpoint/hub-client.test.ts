import { describe, expect, it, vi } from 'vitest';
import { downloadModel } from '#inhouse/checkpoint/hub.js';
import { DEFAULT_NETWORK_POLICY, retryAfter, retryDelayMs } from '#inhouse/checkpoint/hub-client.js';
import { HubError, type InhouseError } from '#inhouse/errors.js';
import { closedEndpoint, expectFiles, hubSandbox, MODEL, WEIGHTS } from '../support/hub-sandbox.js';

const sandbox = hubSandbox();
const TOKEN = 'hf_0123456789abcdef';

async function download(options = {}): Promise<string> {
  return downloadModel(MODEL, { ...sandbox.options, ...options });
}

describe('an answer that is not the file', () => {
  it.each([401, 403])('HTTP %i says to set HF_TOKEN, at once', async (status) => {
    sandbox.server.faults.refuse = { status, on: '/api/', times: 99 };

    await expect(download()).rejects.toMatchObject({
      code: 'INHOUSE_HUB_UNAUTHORIZED',
      message: expect.stringContaining('HF_TOKEN'),
    });
    expect(sandbox.server.requests).toHaveLength(1);
  });

  it('an unknown repository is not found', async () => {
    await expect(downloadModel('nobody/nothing', sandbox.options)).rejects.toMatchObject({
      code: 'INHOUSE_HUB_NOT_FOUND',
      message: expect.stringMatching(/nobody\/nothing.*RepoNotFound|RepoNotFound.*nobody\/nothing/s),
    });
  });

  it('an unknown revision is not found', async () => {
    await expect(download({ revision: 'v9' })).rejects.toMatchObject({
      code: 'INHOUSE_HUB_NOT_FOUND',
      message: expect.stringContaining('RevisionNotFound'),
    });
  });

  it('a rate limit that passes is waited out', async () => {
    sandbox.server.faults.refuse = { status: 429, on: '/api/', times: 2, retryAfter: '0' };

    await expectFiles(await download());
  });

  it('a rate limit that stays is an error with the seconds to wait', async () => {
    sandbox.server.faults.refuse = { status: 429, on: `/${WEIGHTS}`, times: 99, retryAfter: '0' };

    await expect(download()).rejects.toMatchObject({
      code: 'INHOUSE_HUB_RATE_LIMITED',
      retryable: true,
      details: { retryAfterSeconds: 0 },
    });
  });

  it('a rate limit longer than anyone waits is an error at once', async () => {
    sandbox.server.faults.refuse = { status: 429, on: '/api/', times: 99, retryAfter: '3600' };

    await expect(download()).rejects.toMatchObject({
      code: 'INHOUSE_HUB_RATE_LIMITED',
      details: { retryAfterSeconds: 3600 },
    });
    expect(sandbox.server.requests).toHaveLength(1);
  });

  it('a server error that passes is not noticed', async () => {
    sandbox.server.faults.refuse = { status: 500, on: '/api/', times: 2 };

    await expectFiles(await download());
  });

  it('a server error that stays is reported after the attempts agreed', async () => {
    sandbox.server.faults.refuse = { status: 500, on: '/api/', times: 99 };

    await expect(download()).rejects.toMatchObject({
      code: 'INHOUSE_HUB_FAILED',
      details: { httpStatus: 500 },
    });
    expect(sandbox.server.requests).toHaveLength(3);
  });

  it('any other refusal is reported at once', async () => {
    sandbox.server.faults.refuse = { status: 418, on: '/api/', times: 99 };

    await expect(download()).rejects.toMatchObject({
      code: 'INHOUSE_HUB_FAILED',
      details: { httpStatus: 418 },
    });
    expect(sandbox.server.requests).toHaveLength(1);
  });

  it('no answer is an unreachable hub', async () => {
    sandbox.server.faults.unanswered = true;

    await expect(download({ network: { silenceTimeoutMs: 200 } })).rejects.toMatchObject({
      code: 'INHOUSE_HUB_UNREACHABLE',
      message: expect.stringContaining('sent nothing for 0.2 s'),
    });
    expect(sandbox.server.requests).toHaveLength(1);
  });

  it('a web page in place of the hub points to HF_ENDPOINT', async () => {
    sandbox.server.faults.signInPage = true;

    await expect(download()).rejects.toMatchObject({
      code: 'INHOUSE_HUB_FAILED',
      message: expect.stringContaining('HF_ENDPOINT'),
    });
  });
});

describe('the token', () => {
  it('goes to the hub and not to the storage it redirects to', async () => {
    sandbox.server.faults.requiredToken = TOKEN;

    await download({ token: TOKEN });

    const sent = (origin: string): Set<string | undefined> =>
      new Set(
        sandbox.server.requests.filter((request) => request.origin === origin).map((r) => r.authorization),
      );
    expect(sent('hub')).toEqual(new Set([`Bearer ${TOKEN}`]));
    expect(sent('storage')).toEqual(new Set([undefined]));
  });

  it('may be any text without spaces, as mirrors of the hub use', async () => {
    sandbox.server.faults.requiredToken = 'mirror-key';

    await expectFiles(await download({ token: ' mirror-key\n' }));
  });

  it('is in no part of an error', async () => {
    sandbox.server.faults.requiredToken = 'another';
    const refused = await failureOf(download({ token: TOKEN }));
    const malformed = await failureOf(download({ token: `${TOKEN}\nx` }));
    const unreachable = await failureOf(download({ token: TOKEN, endpoint: await closedEndpoint() }));

    expect(refused.code).toBe('INHOUSE_HUB_UNAUTHORIZED');
    expect(malformed.code).toBe('INHOUSE_INVALID_OPTION');
    expect(unreachable.code).toBe('INHOUSE_HUB_UNREACHABLE');
    for (const error of [refused, malformed, unreachable]) {
      const { inspect } = await import('node:util');
      expect(inspect(error, { depth: 10, showHidden: true })).not.toContain(TOKEN);
    }
  });

  it('is read from HF_TOKEN', async () => {
    vi.stubEnv('HF_TOKEN', TOKEN);
    sandbox.server.faults.requiredToken = TOKEN;

    await expectFiles(await download());
  });
});

describe('the pause before another attempt', () => {
  const policy = DEFAULT_NETWORK_POLICY;
  const serverError = new HubError('INHOUSE_HUB_FAILED', '', { details: { httpStatus: 503 } });

  it('doubles up to its limit and ends with the attempts', () => {
    const pauses = [1, 2, 3, 4, 5].map((failures) => retryDelayMs(serverError, failures, policy));
    expect(pauses).toEqual([500, 1000, 2000, 4000, undefined]);
    expect(retryDelayMs(serverError, 9, { ...policy, attempts: 99 })).toBe(policy.maxDelayMs);
  });

  it.each([
    ['INHOUSE_HUB_UNREACHABLE', { interrupted: true }, 500],
    ['INHOUSE_HUB_UNREACHABLE', { interrupted: false }, undefined],
    ['INHOUSE_HUB_RATE_LIMITED', { httpStatus: 429, retryAfterSeconds: 30 }, 30_000],
    ['INHOUSE_HUB_RATE_LIMITED', { httpStatus: 429, retryAfterSeconds: 31 }, undefined],
    ['INHOUSE_HUB_FAILED', { httpStatus: 503, retryAfterSeconds: 2 }, 2000],
    ['INHOUSE_HUB_FAILED', { httpStatus: 400 }, undefined],
    ['INHOUSE_HUB_FAILED', {}, undefined],
    ['INHOUSE_HUB_INTEGRITY', {}, undefined],
    ['INHOUSE_HUB_UNAUTHORIZED', { httpStatus: 401 }, undefined],
  ] as const)('after %s %j is %s ms', (code, details, expected) => {
    expect(retryDelayMs(new HubError(code, '', { details }), 1, policy)).toBe(expected);
  });

  it('is none after an error that is not of the hub', () => {
    expect(retryDelayMs(new TypeError('bug'), 1, policy)).toBeUndefined();
  });

  it('is read from seconds or from a date', () => {
    const now = Date.parse('2024-05-01T10:00:00Z');
    expect(retryAfter('12', now)).toBe(12);
    expect(retryAfter('Wed, 01 May 2024 10:00:30 GMT', now)).toBe(30);
    expect(retryAfter('Wed, 01 May 2024 09:00:00 GMT', now)).toBe(0);
    expect(retryAfter('soon', now)).toBeUndefined();
    expect(retryAfter(' ', now)).toBeUndefined();
    expect(retryAfter(null, now)).toBeUndefined();
  });
});

async function failureOf(download: Promise<unknown>): Promise<InhouseError> {
  return download.then(
    () => expect.fail('it did not fail'),
    (error: InhouseError) => error,
  );
}
