// What set-up says of packages that are missing, or there in a version it does not know.
import { createRequire } from 'node:module';
import { afterEach, describe, expect, it } from 'vitest';
import { isKnown, sdk } from '#inhouse/telemetry/packages.js';
import { setupTelemetry } from '#inhouse/telemetry.js';
import { rejection } from '../governance/support/governed.js';
import { pretend } from '../support/pretend.js';

const api: Record<string, unknown> = createRequire(import.meta.url)('@opentelemetry/api');

afterEach(() => {
  delete api.logs;
});

describe('packages of OpenTelemetry', () => {
  it.each([
    ['resources', '1.30.1', false],
    ['resources', '2.0.0', true],
    ['sdk-metrics', '3.1.1', true],
    ['sdk-metrics', '4.0.0', false],
    ['exporter-prometheus', '0.57.2', false],
    ['exporter-prometheus', '0.200.0', true],
    ['exporter-prometheus', '0.301.0', true],
    ['exporter-prometheus', '0.400.0', false],
    ['sdk-logs', '0.219.0', false],
    ['sdk-logs', '0.220.0', true],
    ['sdk-logs', '3.1.1', true],
  ])('%s %s is known: %s', (name, version, known) => {
    expect(isKnown(`@opentelemetry/${name}`, version)).toBe(known);
  });

  it('what is missing is asked for in the version that goes with the API', async () => {
    const advice = async (name: string) =>
      (await rejection(sdk(name as never))).message.replace(/.* Run: /s, '');
    expect(await advice('@opentelemetry/absent')).toBe('npm install @opentelemetry/absent@2');
    expect(await advice('@opentelemetry/exporter-absent')).toBe(
      'npm install @opentelemetry/exporter-absent@0.222',
    );
    api.logs = {}; // since API 1.10
    expect(await advice('@opentelemetry/absent')).toBe('npm install @opentelemetry/absent@3');
    expect(await advice('@opentelemetry/exporter-absent')).toBe(
      'npm install @opentelemetry/exporter-absent@0.301',
    );
  });

  it('a version that is not known is refused by name, not used', async () => {
    const undo = pretend('@opentelemetry/sdk-logs', '0.219.0');
    const error = await rejection(
      setupTelemetry({ exporters: ['otlp'], logLevel: 'info', exportTimeoutMs: 100 }),
    ).finally(undo);
    expect(error).toMatchObject({
      code: 'INHOUSE_PACKAGE_MISSING',
      message: expect.stringMatching(
        /sdk-logs than 0\.219\.0, .* Run: npm install @opentelemetry\/sdk-logs@0\.222$/,
      ),
      details: { package: '@opentelemetry/sdk-logs', version: '0.219.0' },
    });
  });
});
