import { expect, it } from 'vitest';
import { type AuditDecision, type AuditRecord, AuditTrail, hashInputs } from '#inhouse/governance/audit.js';
import { FakeClock } from '../support/fake-clock.js';

const decision: AuditDecision = {
  requestId: 'r1',
  result: 'BLOCKED',
  reasonCode: 'BUDGET_EXCEEDED',
  actor: { team: 'search' },
  inputsHash: hashInputs({ prompt: 'a secret' }),
  beforeUsd: 1,
  afterUsd: 1,
};

it('C-42: there is one record per decision, with who, what, when and the totals', () => {
  const stored: AuditRecord[] = [];
  const trail = new AuditTrail(new FakeClock(Date.UTC(2026, 4, 1)), {
    sink: (record) => stored.push(record),
  });
  trail.record(decision);
  trail.record({ ...decision, requestId: 'r2', result: 'ALLOWED', reasonCode: undefined, afterUsd: 2 });
  expect(trail.records).toEqual([
    { ...decision, sequence: 1, time: '2026-05-01T00:00:00.000Z' },
    {
      ...decision,
      requestId: 'r2',
      result: 'ALLOWED',
      reasonCode: undefined,
      afterUsd: 2,
      sequence: 2,
      time: '2026-05-01T00:00:00.000Z',
    },
  ]);
  expect(stored).toEqual(trail.records);
});

it('C-42: inputs are there as a hash that tells them apart and gives nothing away', () => {
  expect(decision.inputsHash).toMatch(/^[0-9a-f]{64}$/);
  expect(hashInputs({ prompt: 'a secret' })).toBe(decision.inputsHash);
  expect(hashInputs({ prompt: 'another' })).not.toBe(decision.inputsHash);
  expect(hashInputs(undefined)).toMatch(/^[0-9a-f]{64}$/);
});

it('keeps the latest records, and its numbers go on', () => {
  const trail = new AuditTrail(new FakeClock(), { keep: 3 });
  for (let i = 0; i < 100; i++) trail.record(decision);
  expect(trail.records.map(({ sequence }) => sequence)).toEqual([98, 99, 100]);
});

it('a sink that throws is reported, and the record kept', () => {
  const faults: string[] = [];
  const trail = new AuditTrail(new FakeClock(), {
    sink: () => {
      throw new Error('disk full');
    },
    onFault: (where, error) => faults.push(`${where}: ${error}`),
  });
  trail.record(decision);
  expect(trail.records).toHaveLength(1);
  expect(faults).toEqual(['audit sink: Error: disk full']);
});
