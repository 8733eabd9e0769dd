import { describe, expect, it } from 'vitest';
import {
  AbortedError,
  BudgetExceededError,
  CircuitOpenError,
  InvalidInputError,
  PolicyViolationError,
  ProviderError,
  QueueFullError,
  RunnerError,
  TagValidationError,
} from '#inhouse/errors.js';
import { CircuitBreaker } from '#inhouse/governance/breaker.js';
import { FakeClock } from '../support/fake-clock.js';

const crash = new ProviderError('INHOUSE_PROVIDER_FAILED', 'crash');

function breaker(threshold?: number, openMs?: number) {
  const clock = new FakeClock();
  return { clock, circuit: new CircuitBreaker({ threshold, openMs }, clock) };
}

function fail(circuit: CircuitBreaker, times: number, error: unknown = crash): void {
  for (let i = 0; i < times; i++) circuit.failure(error, circuit.before());
}

describe('C-58: a closed circuit', () => {
  it('C-58: opens at the 5th failure in a row, and then refuses', () => {
    const { circuit } = breaker();
    fail(circuit, 4);
    expect(circuit.state).toBe('CLOSED');
    fail(circuit, 1);
    expect(circuit.state).toBe('OPEN');
    expect(() => circuit.before()).toThrow(CircuitOpenError);
  });

  it('C-58 D-15: a success in between starts the count again', () => {
    const { circuit } = breaker();
    fail(circuit, 4);
    circuit.success(circuit.before());
    fail(circuit, 4);
    expect(circuit.state).toBe('CLOSED');
  });

  it('C-58: has the threshold it is given', () => {
    const { circuit } = breaker(2);
    fail(circuit, 2);
    expect(circuit.status()).toEqual({ state: 'OPEN', consecutiveFailures: 2, threshold: 2, openMs: 60_000 });
  });
});

describe('an open circuit', () => {
  it('C-59: stays open for 60 s, and lets a call try when more have passed', () => {
    const { clock, circuit } = breaker();
    fail(circuit, 5);
    clock.advance(60_000);
    expect(() => circuit.before()).toThrow(CircuitOpenError);
    expect(circuit.state).toBe('OPEN');
    clock.advance(1);
    circuit.before();
    expect(circuit.state).toBe('HALF_OPEN');
  });

  it('C-59: is not moved by a calendar that jumps', () => {
    const { clock, circuit } = breaker();
    fail(circuit, 5);
    clock.setNow(clock.now() + 1e12);
    expect(() => circuit.before()).toThrow(CircuitOpenError);
    clock.setNow(0);
    clock.advance(60_001);
    expect(() => circuit.before()).not.toThrow();
  });

  it('C-62: says in its error which state and how long, and takes no stack trace for it', () => {
    const { clock, circuit } = breaker();
    fail(circuit, 5);
    clock.advance(20_500);
    const limit = Error.stackTraceLimit;
    const error = caught(() => circuit.before());
    expect(error).toMatchObject({
      code: 'INHOUSE_CIRCUIT_OPEN',
      status: 503,
      retryable: true,
      details: { state: 'OPEN', retryAfterSeconds: 40 },
    });
    expect((error as Error).message).toBe(
      'Circuit breaker is OPEN after 5 failures in a row; try again in 40 s.',
    );
    expect((error as Error).stack).not.toContain('    at ');
    expect(Error.stackTraceLimit).toBe(limit);
  });

  it('an answer to a call that began before it opened changes nothing', () => {
    const { circuit } = breaker();
    const slow = circuit.before();
    fail(circuit, 5);
    circuit.success(slow);
    expect(circuit.state).toBe('OPEN');
  });
});

describe('a half open circuit', () => {
  function halfOpen() {
    const { clock, circuit } = breaker();
    fail(circuit, 5);
    clock.advance(60_001);
    return { clock, circuit, probe: circuit.before() };
  }

  it('C-60: lets one probe through at a time', () => {
    const { circuit } = halfOpen();
    for (let i = 0; i < 10; i++) expect(() => circuit.before()).toThrow(/HALF_OPEN/);
  });

  it('C-60: closes by a success, with the count at 0', () => {
    const { circuit, probe } = halfOpen();
    circuit.success(probe);
    expect(circuit.status()).toMatchObject({ state: 'CLOSED', consecutiveFailures: 0 });
    fail(circuit, 4);
    expect(circuit.state).toBe('CLOSED');
  });

  it('C-60 D-16: opens again by one failure, for the whole time', () => {
    const { clock, circuit, probe } = halfOpen();
    clock.advance(5_000);
    circuit.failure(crash, probe);
    expect(circuit.state).toBe('OPEN');
    clock.advance(60_000);
    expect(() => circuit.before()).toThrow(CircuitOpenError);
    clock.advance(1);
    expect(() => circuit.before()).not.toThrow();
  });

  it('C-60: a probe that was aborted decides nothing and lets the next one go', () => {
    const { circuit, probe } = halfOpen();
    circuit.failure(new AbortedError('INHOUSE_ABORTED', 'aborted'), probe);
    expect(circuit.state).toBe('HALF_OPEN');
    circuit.success(circuit.before());
    expect(circuit.state).toBe('CLOSED');
  });

  it('C-60: a probe that never reports gives way to another after the open time', () => {
    const { clock, circuit, probe } = halfOpen();
    clock.advance(60_000);
    expect(() => circuit.before()).toThrow(CircuitOpenError);
    clock.advance(1);
    const second = circuit.before();
    circuit.failure(crash, probe);
    expect(circuit.state).toBe('HALF_OPEN');
    circuit.success(second);
    expect(circuit.state).toBe('CLOSED');
  });

  it('C-60: answers to calls from before it opened decide nothing', () => {
    const { clock, circuit } = breaker();
    const slow = circuit.before();
    fail(circuit, 5);
    clock.advance(60_001);
    const probe = circuit.before();
    circuit.success(slow);
    circuit.failure(crash, slow);
    expect(circuit.state).toBe('HALF_OPEN');
    circuit.success(probe);
    expect(circuit.state).toBe('CLOSED');
  });
});

it.each([
  new InvalidInputError('INHOUSE_CONTEXT_OVERFLOW', 'too long'),
  new InvalidInputError('INHOUSE_INVALID_OPTION', 'temperature'),
  new BudgetExceededError('INHOUSE_BUDGET_EXCEEDED', 'no money'),
  new PolicyViolationError('INHOUSE_POLICY_BLOCKED', 'no'),
  new PolicyViolationError('INHOUSE_POLICY_RATE_LIMITED', 'not so fast'),
  new TagValidationError('INHOUSE_TAG_REFUSED', 'no team'),
  new QueueFullError('INHOUSE_QUEUE_FULL', 'full'),
  new CircuitOpenError('INHOUSE_CIRCUIT_OPEN', 'another circuit'),
  new AbortedError('INHOUSE_ABORTED', 'aborted'),
  new ProviderError('INHOUSE_PROVIDER_RATE_LIMITED', 'fewer calls'),
  new ProviderError('INHOUSE_PROVIDER_REJECTED', 'bad request'),
])('C-61 D-17: $code does not count against the provider', (error) => {
  const { circuit } = breaker(1);
  fail(circuit, 20, error);
  expect(circuit.status()).toMatchObject({ state: 'CLOSED', consecutiveFailures: 0 });
});

it.each([
  new RunnerError('INHOUSE_RUNTIME_STEP', 'engine fault'),
  new RunnerError('INHOUSE_RUNTIME_LOAD', 'load failure'),
  new ProviderError('INHOUSE_PROVIDER_MALFORMED', 'broken JSON'),
  new TypeError('bug in a provider'),
])('C-61: $name does', (error) => {
  const { circuit } = breaker(1);
  fail(circuit, 1, error);
  expect(circuit.state).toBe('OPEN');
});

it.each([{ threshold: 0 }, { threshold: 1.5 }, { openMs: 0 }, { openMs: Number.NaN }])(
  '%j is refused',
  (options) => {
    expect(() => new CircuitBreaker(options, new FakeClock())).toThrow(InvalidInputError);
  },
);

it('neither options nor a clock may be missing', () => {
  expect(() => new CircuitBreaker(undefined as never, new FakeClock())).toThrow(InvalidInputError);
  for (const clock of [undefined, null, {}, { now: () => 0 }]) {
    expect(() => new CircuitBreaker({}, clock as never)).toThrow(/clock is .*functions now, monotonic/);
  }
});

function caught(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}
