import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { EnergyMeter } from '#bench/compare/energy.js';

const folder = mkdtempSync(join(tmpdir(), 'inhouse-energy-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function writeZone(root: string, zone: string, microjoules: number, range = 1_000_000_000): void {
  mkdirSync(join(root, zone), { recursive: true });
  writeFileSync(join(root, zone, 'energy_uj'), `${microjoules}\n`);
  writeFileSync(join(root, zone, 'max_energy_range_uj'), `${range}\n`);
}

describe.runIf(process.platform === 'linux')('EnergyMeter', () => {
  it('sums the packages, not the domains within them', () => {
    const root = join(folder, 'two');
    writeZone(root, 'intel-rapl:0', 5_000_000);
    writeZone(root, 'intel-rapl:1', 1_000_000);
    writeZone(root, 'intel-rapl:0:0', 0);
    const meter = EnergyMeter.open(root) as EnergyMeter;
    const before = meter.read();
    writeZone(root, 'intel-rapl:0', 7_500_000);
    writeZone(root, 'intel-rapl:1', 1_250_000);
    writeZone(root, 'intel-rapl:0:0', 2_000_000);
    expect(meter.joulesSince(before)).toBeCloseTo(2.75, 12);
  });

  it('counts on where a counter has begun again', () => {
    const root = join(folder, 'wrap');
    writeZone(root, 'intel-rapl:0', 9_000_000, 10_000_000);
    const meter = EnergyMeter.open(root) as EnergyMeter;
    const before = meter.read();
    writeZone(root, 'intel-rapl:0', 500_000, 10_000_000);
    expect(meter.joulesSince(before)).toBeCloseTo(1.5, 12);
  });

  it('says why there is no meter', () => {
    const missing = join(folder, 'missing');
    expect(EnergyMeter.open(missing)).toEqual({ reason: expect.stringContaining(missing) });
    const empty = join(folder, 'empty');
    mkdirSync(join(empty, 'dtpm'), { recursive: true });
    expect(EnergyMeter.open(empty)).toEqual({ reason: `${empty} lists no processor package` });
    const locked = join(folder, 'locked');
    mkdirSync(join(locked, 'intel-rapl:0', 'energy_uj'), { recursive: true }); // a folder cannot be read as a file
    writeFileSync(join(locked, 'intel-rapl:0', 'max_energy_range_uj'), '1\n');
    expect(EnergyMeter.open(locked)).toEqual({ reason: expect.stringContaining('EISDIR') });
  });
});
