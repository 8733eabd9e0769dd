// What the pages about governance and telemetry show and name: the first example runs as it stands, and all can be read.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { govern } from '#inhouse/governance/governed-provider.js';
import { GENOPS_METRICS } from '#inhouse/governance/telemetry/metric-names.js';
import { GENOPS } from '#inhouse/governance/telemetry/names.js';
import * as everything from '#inhouse/index.js';
import { stub } from '#inhouse/providers/stub.js';
import * as telemetry from '#inhouse/telemetry.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

it('the first example of the page does what it says', async () => {
  const page = readFileSync(`${root}docs/governance.md`, 'utf8');
  const code = /```js\n(.*?)```/s.exec(page)![1]!;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', code], {
    cwd: root,
  });
  expect(stdout).toContain('ALLOWED');
  expect(stdout).toContain('INHOUSE_BUDGET_EXCEEDED BUDGET_RESERVATION_FAILED');
  expect(stdout).toMatch(/\{ acme: \d\.\d+e-7 \}/);
});

it.each(['README.md', 'docs/governance.md', 'docs/telemetry.md'])(
  'the examples of %s are JavaScript of the oldest Node.js there may be',
  async (name) => {
    const examples = [...readFileSync(root + name, 'utf8').matchAll(/```js\n(.*?)```/gs)];
    expect(examples.length).toBeGreaterThan(0);
    for (const [, code] of examples) {
      const checked = promisify(execFile)(process.execPath, ['--input-type=module', '--check']);
      checked.child.stdin!.end(code);
      await checked;
    }
  },
);

it('what docs/telemetry.md names to be called is exported', () => {
  const page = readFileSync(`${root}docs/telemetry.md`, 'utf8');
  const named = [...page.matchAll(/`(\w+)\(/g)].map(([, name]) => name!);
  expect(named).toEqual(expect.arrayContaining(['checkCompliance', 'recordCostSummary', 'track']));
  const exported = { ...everything, ...telemetry };
  expect(named.filter((name) => !(name in exported))).toEqual([]);
});

it('G-41: the guide for a system that is slow has its seven checks, of what there is to look at', async () => {
  const page = readFileSync(`${root}docs/governance.md`, 'utf8');
  const guide = /## When it is slow\n(.*?)\n## /s.exec(page)![1]!;
  const checks = [...guide.matchAll(/^\d\. \*\*([^*]+)\*\*/gm)].map(([, name]) => name);
  expect(checks).toEqual(['Log level', 'Refusals', 'Limits', 'Retries', 'Backend', 'Memory', 'Network']);
  const governed = govern(stub(), { enableCircuitBreaker: true });
  const status = governed.status();
  for (const [, path] of guide.matchAll(/`governed\.status\(\)\.([a-zA-Z]+)`/g)) {
    expect([path, status[path as keyof typeof status]]).toEqual([path, expect.anything()]);
  }
  expect(status.admission).toMatchObject({ running: 0, maxConcurrent: 50 });
  expect((await governed.health()).latencyMs).toBeGreaterThanOrEqual(0);
  const metrics: readonly string[] = Object.values(GENOPS_METRICS).map(({ name }) => name);
  const named = [...guide.matchAll(/`(genops_\w+|errors_total)`/g)].map(([, name]) => name!);
  expect(named.filter((name) => !metrics.includes(name))).toEqual([]);
  expect(guide).toContain(GENOPS.attempts);
});
