// Together's performance document on plane G, in three parts.
import type { Benchmark } from './benchmark.js';
import { rates, timesOfCalls } from './together-calls.js';
import { memoryOfCalls } from './together-memory.js';
import { sessions } from './together-sessions.js';

export const together: Benchmark = {
  name: 'together',
  about: "the rates, times, sessions and memory of Together's document",
  measure: async (effort) => [
    ...(await timesOfCalls(effort)),
    ...(await rates(effort)),
    ...(await sessions(effort)),
    ...(await memoryOfCalls()),
  ],
};
