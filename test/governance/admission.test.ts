import { getEventListeners } from 'node:events';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { AbortedError, InvalidInputError, QueueFullError } from '#inhouse/errors.js';
import {
  Admission,
  type AdmissionLimits,
  queueFullBody,
  queueFullHeaders,
  queueHeaders,
  Slot,
} from '#inhouse/governance/admission.js';
import { checkGatewayLimits, GATEWAY_DEFAULTS } from '#inhouse/governance/gateway-limits.js';
import { FakeClock } from '../support/fake-clock.js';

function admission(limits: AdmissionLimits = {}) {
  const clock = new FakeClock();
  return { clock, gate: new Admission(limits, clock) };
}

describe('limits', () => {
  it('G-01: 200 calls wait, the 201st is refused', () => {
    const { gate } = admission();
    for (let i = 0; i < 250; i++) gate.enter();
    expect(gate.status()).toEqual({ queueDepth: 200, running: 50, maxConcurrent: 50, maxQueueSize: 200 });
    expect(() => gate.enter()).toThrow(QueueFullError);
    expect(gate.status()).toMatchObject({ queueDepth: 200, running: 50 });
  });

  it('G-02: never more than 50 run, and all get their turn', async () => {
    const { gate } = admission();
    let running = 0;
    let peak = 0;
    const call = async () => {
      const slot = await gate.enter();
      running++;
      peak = Math.max(peak, running);
      await new Promise(setImmediate);
      running--;
      slot.release();
    };
    await Promise.all(Array.from({ length: 250 }, call));
    expect(peak).toBe(50);
    expect(gate.status()).toMatchObject({ queueDepth: 0, running: 0 });
  });

  it('places are given in the order of arrival, and nobody overtakes', async () => {
    const { gate } = admission({ maxConcurrent: 1 });
    const order: string[] = [];
    const first = gate.enter() as Slot;
    const call = async (name: string) => {
      const slot = await gate.enter();
      order.push(name);
      slot.release();
    };
    const waiting = ['a', 'b', 'c'].map(call);
    first.release();
    await Promise.all([...waiting, call('late')]);
    expect(order).toEqual(['a', 'b', 'c', 'late']);
  });

  it('a free place is given without a promise', () => {
    expect(admission().gate.enter()).toBeInstanceOf(Slot);
  });

  it('a slot says how long the call waited', async () => {
    const { clock, gate } = admission({ maxConcurrent: 1 });
    const first = gate.enter() as Slot;
    const second = gate.enter();
    clock.advance(250);
    first.release();
    expect([first.queueMs, (await second).queueMs]).toEqual([0, 250]);
  });

  it.each([
    { maxQueueSize: 0 },
    { maxQueueSize: -1 },
    { maxConcurrent: 0 },
    { maxConcurrent: 2.5 },
    { size: 3 },
  ])('G-27: %j is refused', (limits) => {
    expect(() => admission(limits as AdmissionLimits)).toThrow(InvalidInputError);
  });

  it('neither limits nor a clock may be missing', () => {
    expect(() => new Admission(undefined as never, new FakeClock())).toThrow(InvalidInputError);
    expect(() => new Admission({}, undefined as never)).toThrow(
      /clock is undefined; .*functions now, monotonic/,
    );
  });
});

describe('counters', () => {
  it('a slot that is released twice frees one place', () => {
    const { gate } = admission({ maxConcurrent: 2 });
    const slot = gate.enter() as Slot;
    gate.enter();
    slot.release();
    slot.release();
    expect(gate.status().running).toBe(1);
  });

  it('a reader who leaves ends the wait as a caller who aborts does, and neither is heard afterwards', async () => {
    const { gate } = admission({ maxConcurrent: 1 });
    const first = gate.enter() as Slot;
    const [caller, reader] = [new AbortController(), new AbortController()];
    const waiting = gate.enter(caller.signal, reader.signal);
    reader.abort();
    await expect(waiting).rejects.toBeInstanceOf(AbortedError);
    expect(getEventListeners(caller.signal, 'abort')).toEqual([]);
    expect(gate.status()).toMatchObject({ queueDepth: 0, running: 1 });
    first.release();
    expect(gate.status()).toMatchObject({ queueDepth: 0, running: 0 });
  });

  it('a caller that aborts leaves the queue, and its place goes to nobody', async () => {
    const { gate } = admission({ maxConcurrent: 1 });
    const first = gate.enter() as Slot;
    const controller = new AbortController();
    const waiting = gate.enter(controller.signal);
    controller.abort(new Error('gone'));
    await expect(waiting).rejects.toBeInstanceOf(AbortedError);
    expect(gate.status()).toMatchObject({ queueDepth: 0, running: 1 });
    first.release();
    expect(gate.status()).toMatchObject({ queueDepth: 0, running: 0 });
    const { signal } = controller;
    const again = gate.enter() as Slot;
    await expect(gate.enter(signal)).rejects.toBeInstanceOf(AbortedError);
    again.release();
    expect(gate.status()).toMatchObject({ queueDepth: 0, running: 0 });
  });

  it('who was admitted leaves no listener on its signal', async () => {
    const { gate } = admission({ maxConcurrent: 1 });
    const first = gate.enter() as Slot;
    const controller = new AbortController();
    const added = vi.spyOn(controller.signal, 'addEventListener');
    const removed = vi.spyOn(controller.signal, 'removeEventListener');
    const waiting = gate.enter(controller.signal);
    first.release();
    await waiting;
    expect(removed.mock.calls[0]![1]).toBe(added.mock.calls[0]![1]);
    controller.abort();
    expect(gate.status().running).toBe(1);
  });

  it('G-04: return to 0 after 10 000 random calls, faults and cancellations', async () => {
    const kinds = fc.array(fc.constantFrom('works', 'fails', 'aborts', 'aborts at once', 'twice'), {
      minLength: 100,
      maxLength: 100,
    });
    let calls = 0;
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(kinds, fc.integer({ min: 1, max: 8 }), async (all, maxConcurrent) => {
        const { gate } = admission({ maxConcurrent, maxQueueSize: 60 });
        const call = async (kind: string) => {
          calls++;
          const controller = new AbortController();
          if (kind === 'aborts at once') controller.abort();
          if (kind === 'aborts') setImmediate(() => controller.abort());
          const slot = await gate.enter(controller.signal);
          try {
            await new Promise(setImmediate);
            if (kind === 'fails') throw new Error('fault');
          } finally {
            slot.release();
            if (kind === 'twice') slot.release();
          }
        };
        const outcomes = await Promise.allSettled(all.map(call));
        refused += outcomes.filter((each) => each.status === 'rejected').length;
        expect(gate.status()).toMatchObject({ queueDepth: 0, running: 0 });
      }),
      { numRuns: 100 },
    );
    expect(calls).toBe(10_000);
    expect(refused).toBeGreaterThan(1000);
  });
});

describe('G-03: a full queue', () => {
  const { gate } = admission({ maxConcurrent: 1, maxQueueSize: 2 });
  for (let i = 0; i < 3; i++) gate.enter();
  let error: QueueFullError;
  try {
    gate.enter();
  } catch (thrown) {
    error = thrown as QueueFullError;
  }

  it('G-03: is a 429 with depth, limit and when to come back', () => {
    expect(error).toMatchObject({
      code: 'INHOUSE_QUEUE_FULL',
      status: 429,
      retryable: true,
      details: { queueDepth: 2, maxQueueSize: 2, retryAfterSeconds: 30 },
    });
    expect(error.message).toContain('Queue full');
  });

  it('G-03: has the headers and body of the gateway', () => {
    expect(queueFullHeaders(error)).toEqual({
      'Retry-After': '30',
      'X-Queue-Depth': '2',
      'X-Queue-Max-Size': '2',
    });
    expect(queueFullBody(error)).toEqual({
      error: 'Gateway queue is full',
      details: error.message,
      queue_depth: 2,
      max_queue_size: 2,
      retry_after_seconds: 30,
    });
  });

  it('G-06: every answer can say how full the queue is', () => {
    expect(queueHeaders(gate.status())).toEqual({
      'X-Queue-Depth': '2',
      'X-Max-Concurrent': '1',
      'X-Max-Queue-Size': '2',
    });
  });
});

describe('limits of a gateway', () => {
  it('G-27: none may be 0 or less', () => {
    for (const name of Object.keys(GATEWAY_DEFAULTS)) {
      for (const value of [0, -1, Number.NaN]) {
        expect(() => checkGatewayLimits({ [name]: value })).toThrow(new RegExp(`${name} is ${value}`));
      }
    }
  });

  it('G-28: unlikely ones are warned of, from one above the bound on', () => {
    const bounds = {
      maxQueueSize: 10_000,
      maxConcurrent: 500,
      maxModelsConcurrent: 20,
      requestTimeoutSeconds: 3600,
      connectTimeoutSeconds: 60,
    };
    expect(checkGatewayLimits(bounds)).toEqual({ limits: bounds, warnings: [] });
    const above = Object.fromEntries(Object.entries(bounds).map(([name, bound]) => [name, bound + 1]));
    expect(checkGatewayLimits(above).warnings).toEqual(
      Object.entries(bounds).map(([name, bound]) =>
        expect.stringContaining(`${name} is ${bound + 1}; more than ${bound} `),
      ),
    );
  });

  it('have the defaults 200, 50, 3, 300 s and 10 s', () => {
    expect(checkGatewayLimits({})).toEqual({ limits: GATEWAY_DEFAULTS, warnings: [] });
    expect(Object.values(GATEWAY_DEFAULTS)).toEqual([200, 50, 3, 300, 10]);
  });
});
