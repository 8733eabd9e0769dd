// A process in which no package of OpenTelemetry can be resolved.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const dist = new URL('../../../dist/src/', import.meta.url);
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'inhouse-absent-'));
  writeFileSync(
    join(folder, 'hide.cjs'),
    `const Module = require('node:module');
     const resolve = Module._resolveFilename;
     Module._resolveFilename = function (name, ...rest) {
       if (name.startsWith('@opentelemetry/')) {
         throw Object.assign(new Error('hidden ' + name), { code: 'MODULE_NOT_FOUND' });
       }
       return resolve.call(this, name, ...rest);
     };`,
  );
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What the module `body` prints as JSON, with the packages hidden. */
function withoutPackages(body: string): unknown {
  const program = join(folder, 'program.mjs');
  writeFileSync(program, body);
  const hide = join(folder, 'hide.cjs');
  return JSON.parse(execFileSync(process.execPath, ['--require', hide, program], { encoding: 'utf8' }));
}

const from = (path: string) => JSON.stringify(fileURLToPath(new URL(path, dist)));

describe('without @opentelemetry/api', () => {
  it('C-28: governed calls leave no span, metrics count nothing, tracked work runs, and no fault is counted', () => {
    const result = withoutPackages(`
      import { otel } from ${from('governance/telemetry/api.js')};
      import { SpanRecorder } from ${from('governance/telemetry/spans.js')};
      import { GovernanceMetrics } from ${from('governance/telemetry/metrics.js')};
      import { recordCostSummary, track, trackCost } from ${from('governance/telemetry/track.js')};
      import { aggregate } from ${from('governance/cost-totals.js')};
      import { telemetryFaults } from ${from('governance/telemetry/faults.js')};
      const span = new SpanRecorder().start({
        operation: 'complete', provider: 'gpt2', kind: 'local', attributes: {}, request: { model: 'gpt2', prompt: '' },
      });
      const metrics = new GovernanceMetrics();
      metrics.operation({
        operation: 'complete', provider: 'gpt2', model: 'gpt2', kind: 'local', team: 't', durationMs: 1, costUsd: 1,
      });
      metrics.policyViolation('spend');
      recordCostSummary(aggregate([]));
      console.log(JSON.stringify({
        api: otel === undefined,
        span: span === undefined,
        tracked: track('work', (tracked) => { tracked.recordCost({ cost: 1 }); return 'done'; }),
        cost: trackCost({ cost: 1 }),
        faults: telemetryFaults.count,
      }));
    `);
    expect(result).toEqual({ api: true, span: true, tracked: 'done', cost: false, faults: 0 });
  });

  it('setupTelemetry names the package to install', () => {
    const result = withoutPackages(`
      import { setupTelemetry } from ${from('telemetry.js')};
      const error = await setupTelemetry().catch((thrown) => thrown);
      console.log(JSON.stringify([error.code, error.message]));
    `);
    expect(result).toEqual([
      'INHOUSE_PACKAGE_MISSING',
      'setupTelemetry needs the package @opentelemetry/api. Run: npm install @opentelemetry/api',
    ]);
  });
});
