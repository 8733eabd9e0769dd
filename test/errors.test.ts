import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import * as errors from '#inhouse/errors.js';

const documented = readFileSync(new URL('../docs/errors.md', import.meta.url), 'utf8');

describe('errors', () => {
  it('are documented, each with its status and whether to retry', () => {
    const rows = [...documented.matchAll(/^\| `(INHOUSE_\w+)` \| (\d+) \| (yes|no) \|/gm)];
    const inDocs = Object.fromEntries(
      rows.map(([, code, status, retryable]) => [
        code,
        { status: Number(status), retryable: retryable === 'yes' },
      ]),
    );
    expect(inDocs).toEqual(errors.ERROR_CATALOGUE);
  });

  it('carry code, status, retryable, details and cause', () => {
    const cause = new Error('below');
    const error = new errors.HubError('INHOUSE_HUB_RATE_LIMITED', 'wait', { cause, details: { seconds: 3 } });
    expect(error).toMatchObject({
      name: 'HubError',
      code: 'INHOUSE_HUB_RATE_LIMITED',
      status: 429,
      retryable: true,
    });
    expect(error).toMatchObject({ cause, details: { seconds: 3 }, message: 'wait' });
    expect(String(error)).toBe('HubError: wait');
  });

  it('are instances of the classes of another copy of the package', async () => {
    const copy = pathToFileURL(new URL('../dist/src/errors.js', import.meta.url).pathname).href;
    const other = (await import(/* @vite-ignore */ `${copy}?copy`)) as typeof errors;
    expect(other.HubError).not.toBe(errors.HubError);
    const error = new errors.HubError('INHOUSE_HUB_OFFLINE', 'offline');
    expect(error instanceof other.HubError).toBe(true);
    expect(error instanceof other.InhouseError).toBe(true);
    expect(error instanceof other.RunnerError).toBe(false);
    expect(new Error('plain') instanceof other.InhouseError).toBe(false);
    for (const value of [null, undefined, 5] as unknown[])
      expect(value instanceof other.InhouseError).toBe(false);
  });

  it('can be subclassed', () => {
    class MyError extends errors.HubError {}
    const mine = new MyError('INHOUSE_HUB_OFFLINE', 'mine');
    expect(mine instanceof MyError && mine instanceof errors.HubError).toBe(true);
    expect(new errors.HubError('INHOUSE_HUB_OFFLINE', 'theirs') instanceof MyError).toBe(false);
  });
});
