// A load under simulated service times (plane R): workers that call one after the other, until enough calls are made.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Completion, Provider } from '../../src/providers/provider.js';
import { serviceTimes } from '../../src/providers/stub-plans.js';
import { chatOf, instantStub, SEED } from './subject.js';

/** Of the published remote endpoint. */
export const SERVICE_MS = 847.3;
/** Spreads the service times so that their 95th percentile is the published one. */
const SPREAD = 0.071;
/** Prompts have 100 to 500 tokens. */
const REQUESTS = Array.from({ length: 41 }, (_, i) => chatOf(100 + 10 * i));

/** The remote endpoint: its service times, divided by the scale of time, are waited for. */
export class RemoteReplica {
  readonly provider: Provider;
  /** Unscaled service time of the call that came last. */
  lastServiceMs = 0;

  constructor(timeScale: number) {
    const plan = serviceTimes(SERVICE_MS, SPREAD, SEED);
    this.provider = instantStub({
      serviceMs: (call) => {
        this.lastServiceMs = plan(call);
        return this.lastServiceMs / timeScale;
      },
      sleep: (ms, signal) => sleep(ms, undefined, { signal }),
    });
  }
}

export interface LoadCall {
  /** What the call took at an unscaled service time. */
  readonly latencyMs: number;
  /** Between the caller and the provider: wall time less what the provider says that it took. */
  readonly overheadMs: number;
}

export interface LoadResult {
  readonly calls: readonly LoadCall[];
  /** Unscaled, between the end of the first round of the workers and the start of the last request. */
  readonly requestsPerSecond: number;
  readonly cpuMsPerCall: number;
}

export interface Load {
  readonly workers: number;
  /** At least three rounds of the workers. */
  readonly requests: number;
  readonly timeScale: number;
}

/**
 * Workers begin one after the other over one service time, as callers do.
 * @param chat calls the replica, governed or not
 */
export async function runLoad(
  replica: RemoteReplica,
  chat: (request: (typeof REQUESTS)[number]) => Promise<Completion>,
  { workers, requests, timeScale }: Load,
): Promise<LoadResult> {
  const calls: LoadCall[] = [];
  let next = 0;
  let roundMs = Number.NaN;
  let requestsPerSecond = Number.NaN;
  const worker = async (_: unknown, number: number): Promise<void> => {
    await sleep((number / workers) * (SERVICE_MS / timeScale));
    while (next < requests) {
      const request = REQUESTS[next++ % REQUESTS.length]!;
      const callMs = performance.now();
      if (next === requests) {
        requestsPerSecond = ((calls.length - workers) / (callMs - roundMs)) * (1000 / timeScale);
      }
      const pending = chat(request);
      // The replica was reached by now: governance does not wait before it.
      const { lastServiceMs } = replica;
      const { timings } = await pending;
      const wallMs = performance.now() - callMs;
      calls.push({
        latencyMs: wallMs - lastServiceMs / timeScale + lastServiceMs,
        overheadMs: wallMs - timings.totalMs,
      });
      if (calls.length === workers) roundMs = performance.now();
    }
  };
  const cpuBefore = process.cpuUsage();
  await Promise.all(Array.from({ length: workers }, worker));
  const { user, system } = process.cpuUsage(cpuBefore);
  return {
    calls,
    requestsPerSecond,
    cpuMsPerCall: (user + system) / 1000 / requests,
  };
}
