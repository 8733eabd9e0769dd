import { expect, it, vi } from 'vitest';
import { InvalidInputError, SessionError } from '#inhouse/errors.js';
import { loggerTo } from '#inhouse/governance/logging.js';
import { type Session, type SessionOptions, Sessions } from '#inhouse/governance/session.js';
import { FakeClock } from '../support/fake-clock.js';
import { bench, REQUEST } from './support/governed.js';

const operation = { costUsd: 0.1, model: 'gpt2', totalTokens: 10 };

function sessions(options?: ConstructorParameters<typeof Sessions>[1]) {
  const clock = new FakeClock();
  return { clock, open: new Sessions(clock, options) };
}

it('C-72: a session has its fields and totals, and an end once it is over', async () => {
  const ended: Session[] = [];
  const { clock, open } = sessions({ onEnd: (session) => ended.push(session) });
  const startTime = clock.now();
  const session = await open.track({ name: 'batch', attributes: { team: 'search' } }, (inner) => {
    open.record(inner.sessionId, { ...operation, result: 'first' });
    open.record(inner.sessionId, { ...operation, result: 'second' });
    expect(inner).toMatchObject({ sessionName: 'batch', startTime, endTime: null, totalOperations: 2 });
    expect(inner.totalCost).toBeCloseTo(0.2, 15);
    clock.advance(5000);
    return inner;
  });
  expect(session).toMatchObject({
    endTime: startTime + 5000,
    totalTokens: 20,
    results: ['first', 'second'],
    governanceAttributes: { team: 'search', session_name: 'batch' },
  });
  expect(ended).toEqual([session]);
  expect(open.size).toBe(0);
});

it('C-73: a session ends when its body throws, synchronously or later', async () => {
  const { open } = sessions();
  let seen: Session | undefined;
  const bodies = [
    (session: Session) => {
      seen = session;
      throw new Error('body');
    },
    async (session: Session) => {
      seen = session;
      throw new Error('body');
    },
  ];
  for (const body of bodies) {
    await expect(open.track({}, body)).rejects.toThrow('body');
    expect(seen?.endTime).not.toBeNull();
    expect(open.size).toBe(0);
  }
});

it('C-74: sessions nest and overlap, each with its own totals', async () => {
  const { open } = sessions();
  const outer = await open.track({ id: 'outer' }, async (session) => {
    open.record('outer', operation);
    const inner = await open.track({ id: 'inner' }, (nested) => {
      open.record('inner', operation);
      open.record('inner', operation);
      open.record('outer', operation);
      return nested;
    });
    expect(inner.totalOperations).toBe(2);
    return session;
  });
  expect(outer.totalOperations).toBe(2);

  const [a, b] = [open.start(), open.start()];
  open.record(a.sessionId, operation);
  open.end(a.sessionId);
  open.record(b.sessionId, operation);
  open.record(b.sessionId, operation);
  expect([a.totalOperations, b.totalOperations, b.endTime]).toEqual([1, 2, null]);
});

it('C-75 D-20: a given id is kept, another begins with "session-"', () => {
  const { open } = sessions();
  expect(open.start({ id: 'mine' })).toMatchObject({ sessionId: 'mine', sessionName: 'mine' });
  const generated = open.start({ name: 'named' });
  expect(generated.sessionId).toMatch(/^session-[0-9a-f]{8}-[0-9a-f-]{27}$/);
  expect(generated.sessionName).toBe('named');
});

it('C-76: a call that names no open session counts nowhere, and is no error', () => {
  const { open } = sessions();
  expect(open.record('unknown', operation)).toBe(false);
  const { sessionId } = open.start();
  open.end(sessionId);
  expect(open.record(sessionId, operation)).toBe(false);
  expect(open.end(sessionId)).toBeUndefined();
});

it('C-77: a session counts all its models', () => {
  const { open } = sessions();
  const session = open.start({ id: 'two' });
  open.record('two', operation);
  open.record('two', { costUsd: 0.5, model: 'gpt2-xl', totalTokens: 7 });
  open.record('two', operation);
  expect(Object.fromEntries(session.models)).toEqual({
    gpt2: { operations: 2, costUsd: 0.2, totalTokens: 20 },
    'gpt2-xl': { operations: 1, costUsd: 0.5, totalTokens: 7 },
  });
});

it('a second session of an open id is refused', () => {
  const { open } = sessions();
  open.start({ id: 'a' });
  expect(() => open.start({ id: 'a' })).toThrow(SessionError);
  open.end('a');
  expect(open.start({ id: 'a' }).totalOperations).toBe(0);
});

it.each([Number.NaN, -1])('a cost of %d is refused', (costUsd) => {
  const { open } = sessions();
  const session = open.start({ id: 'a' });
  expect(() => open.record('a', { ...operation, costUsd })).toThrow(InvalidInputError);
  expect(session.totalOperations).toBe(0);
});

it('T-17: 10 000 operations are counted exactly, and the latest results kept', () => {
  const { open } = sessions({ keepResults: 5 });
  const session = open.start({ id: 'long' });
  for (let i = 0; i < 10_000; i++) open.record('long', { ...operation, costUsd: 1e-8, result: i });
  expect(session.totalOperations).toBe(10_000);
  expect(session.totalCost).toBe(1e-4);
  expect(session.results).toEqual([9995, 9996, 9997, 9998, 9999]);
});

it('T-12 T-13: totals are exact with 200 operations at once in 50 sessions', async () => {
  const { open } = sessions();
  const all = await Promise.all(
    Array.from({ length: 50 }, (_, i) =>
      open.track({ id: `s${i}` }, async (session) => {
        await Promise.all(
          Array.from({ length: 4 }, async (_, j) => {
            await new Promise((resolve) => setTimeout(resolve, (i * 7 + j * 3) % 5));
            open.record(session.sessionId, { ...operation, costUsd: i + 1 });
          }),
        );
        return session;
      }),
    ),
  );
  expect(all.map(({ totalCost }) => totalCost)).toEqual(Array.from({ length: 50 }, (_, i) => 4 * (i + 1)));
});

it('the log tells what a session was, once it has ended, however that was', async () => {
  const info = vi.fn();
  const logger = { ...loggerTo('silent', () => {}), isLevelEnabled: (l: string) => l === 'info', info };
  const { governed, clock } = bench({ logger });
  const session = governed.trackSession({ id: 's', name: 'import' }, async ({ sessionId }) => {
    await governed.complete(REQUEST, { sessionId });
    await governed.complete(REQUEST, { sessionId });
    clock.advance(5000);
    throw new Error('body');
  });
  await expect(session).rejects.toThrow('body');
  const fields = { sessionId: 's', sessionName: 'import', operations: 2, cost: '$6e-7', durationMs: 5000 };
  expect(info.mock.calls).toEqual([[fields, 'Session ended']]);
});

it.each<[object | null, string]>([
  [null, 'not null'],
  [{ nmae: 'batch' }, 'unknown option "nmae"'],
  [{ id: '' }, 'id is ""'],
  [{ name: 5 }, 'name is 5'],
  [{ attributes: 'team' }, 'attributes is "team"'],
])('a session of %j is refused, and none is open', async (options, what) => {
  const { governed } = bench();
  const body = vi.fn();
  await expect(governed.trackSession(options as SessionOptions, body)).rejects.toThrow(
    expect.objectContaining({ name: 'InvalidInputError', message: expect.stringContaining(what) }),
  );
  expect(body).not.toHaveBeenCalled();
  expect(governed.status().activeSessions).toBe(0);
});

it.each([{ keepResults: -1 }, { keepResult: 5 }, { onEnd: 'log' }])(
  'sessions of %j are refused',
  (options) => {
    expect(() => sessions(options as never)).toThrow(InvalidInputError);
  },
);

it('keeps no results where none are wanted', () => {
  const options: SessionOptions = { id: 'a' };
  const { open } = sessions({ keepResults: 0 });
  const session = open.start(options);
  open.record('a', { ...operation, result: 'text' });
  expect(session.results).toEqual([]);
});
