// The suite that every Runner must pass: what src/runtime/runner.ts promises, held to the float64 reference.
// A test file of a runner calls it with a way to open that runner; the parts are in contract/.
import { describe } from 'vitest';
import type { OpenRunner } from '../support/runners.js';
import { describeAccuracy } from './contract/accuracy.js';
import { describeErrors } from './contract/errors.js';
import { describeLifetime } from './contract/lifetime.js';
import { describeRows } from './contract/rows.js';
import { describeSampling } from './contract/sampling.js';
import { describeSchedule } from './contract/schedule.js';
import { describeStatistics } from './contract/statistics.js';

export function describeRunnerContract(name: string, open: OpenRunner): void {
  describe(`${name}: accuracy`, () => describeAccuracy(open));
  describe(`${name}: rows`, () => describeRows(open));
  describe(`${name}: schedules`, () => describeSchedule(open));
  describe(`${name}: sampling`, () => describeSampling(open));
  describe(`${name}: statistics`, () => describeStatistics(open));
  describe(`${name}: errors`, () => describeErrors(open));
  describe(`${name}: lifetime`, () => describeLifetime(open));
}
