import { expect, it } from 'vitest';
import { operationId } from '#inhouse/governance/operation-id.js';

it('ids are random UUIDs of version 4, each another', () => {
  const ids = Array.from({ length: 1000 }, () => operationId());
  for (const id of ids) {
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  }
  expect(new Set(ids).size).toBe(ids.length);
});

it('every digit but version and variant takes every value', () => {
  const seen = new Map<number, Set<string>>();
  for (let count = 0; count < 2000; count++) {
    for (const [place, digit] of Array.from(operationId()).entries()) {
      seen.set(place, (seen.get(place) ?? new Set()).add(digit));
    }
  }
  const values = (place: number) => seen.get(place)!.size;
  for (const hyphen of [8, 13, 18, 23]) expect(values(hyphen)).toBe(1);
  expect([values(14), values(19)]).toEqual([1, 4]);
  expect(Array.from(seen.values(), (digits) => digits.size).filter((size) => size === 16)).toHaveLength(30);
});
