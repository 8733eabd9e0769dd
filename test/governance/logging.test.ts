import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { consoleLogger, Log, PHRASES } from '#inhouse/governance/logging.js';
import { TelemetryFaults } from '#inhouse/governance/telemetry/faults.js';

function written(level: string) {
  const lines: Record<string, unknown>[] = [];
  const logger = pino({ level }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  return { lines, logger };
}

describe('logging', () => {
  it('G-31: a level that is off builds no message', () => {
    const { lines, logger } = written('info');
    let built = 0;
    const log = new Log(logger);
    log.debug('Admitted', () => ({ built: ++built }));
    expect([built, lines.length]).toEqual([0, 0]);
    log.warn(PHRASES.queueFull, () => ({ built: ++built }));
    expect(lines).toMatchObject([{ msg: 'Queue full', built: 1, level: 40 }]);
  });

  it('G-31: follows a level that is changed later, and tells it for status', () => {
    const { lines, logger } = written('info');
    const log = new Log(logger);
    expect(log.level).toBe('info');
    logger.level = 'debug';
    log.debug('Admitted');
    expect([log.level, lines.length]).toEqual(['debug', 1]);
  });

  it('without a logger it is silent and builds nothing', () => {
    const log = new Log();
    log.error('Failed', () => {
      throw new Error('built');
    });
    expect(log.level).toBe('silent');
  });

  it('C-98: secrets in fields and errors are redacted', () => {
    const { lines, logger } = written('info');
    new Log(logger).error(PHRASES.transient, () => ({
      url: 'https://me:secret123@host/v1',
      error: new Error('Bearer abcdef123456'),
      status: 503,
    }));
    expect(lines[0]).toMatchObject({
      msg: 'Transient connection error',
      url: 'https://[REDACTED]@host/v1',
      error: 'Bearer [REDACTED]',
      status: 503,
    });
  });

  it('a logger that throws is counted, not passed on', () => {
    const faults = new TelemetryFaults();
    const logger = {
      ...consoleLogger('info'),
      warn: () => {
        throw new Error('disk full');
      },
    };
    new Log(logger, faults).warn('anything');
    expect(faults.last).toEqual({ source: 'log', message: 'disk full' });
  });

  it('the console logger writes one line of JSON from its level on', () => {
    const lines: string[] = [];
    const logger = consoleLogger('warn', (line) => void lines.push(line));
    const log = new Log(logger);
    log.info('Session ended', () => ({ costUsd: 1 }));
    log.warn('Budget nearly used', () => ({ usagePercent: 81 }));
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { level: 'warn', msg: 'Budget nearly used', usagePercent: 81 },
    ]);
    expect(consoleLogger('verbose').level).toBe('info');
  });
});
