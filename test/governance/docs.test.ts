// The first example of docs/governance.md is run as it stands.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

it('the first example of the page does what it says', async () => {
  const page = readFileSync(`${root}docs/governance.md`, 'utf8');
  // A runtime without `await using` keeps the model open to the end.
  const code = /```js\n(.*?)```/s.exec(page)![1]!.replace('await using', 'const');
  const ending = '\nawait model.dispose();';
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--input-type=module', '--eval', code + ending],
    { cwd: root },
  );
  expect(stdout).toContain('ALLOWED');
  expect(stdout).toContain('INHOUSE_BUDGET_EXCEEDED BUDGET_RESERVATION_FAILED');
  expect(stdout).toMatch(/\{ acme: \d\.\d+e-7 \}/);
});
