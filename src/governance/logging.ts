// Logs of governance, through a logger of the application's (pino's interface). A level that is off costs one comparison:
// the fields of a message are a closure that only an enabled level calls. Never called where a slot or lock is held.
import { type OnFault, tell } from './callbacks.js';
import { type TelemetryFaults, telemetryFaults } from './telemetry/faults.js';
import { errorText, redact } from './telemetry/redaction.js';

/** What is used of pino; a pino logger is one. */
export interface Logger {
  readonly level: string;
  isLevelEnabled(level: string): boolean;
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** What a message says beside its phrase. */
export type LogFields = Readonly<Record<string, unknown>>;

/** The beginnings of messages that operators search for. */
export const PHRASES = {
  queueFull: 'Queue full',
  transient: 'Transient connection error',
  evicting: 'Evicting LRU',
} as const;

/** In the order of their gravity, as pino's. */
const LEVELS: readonly string[] = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];

export class Log {
  readonly #logger: Logger | undefined;
  readonly #onFault: OnFault;

  /** Without a logger nothing is logged. */
  constructor(logger?: Logger, faults: TelemetryFaults = telemetryFaults) {
    this.#logger = logger;
    this.#onFault = (_where, error) => faults.record('log', error);
  }

  /** For status; 'silent' without a logger. */
  get level(): string {
    return this.#logger?.level ?? 'silent';
  }

  debug(phrase: string, fields?: () => LogFields): void {
    this.#write('debug', phrase, fields);
  }

  info(phrase: string, fields?: () => LogFields): void {
    this.#write('info', phrase, fields);
  }

  warn(phrase: string, fields?: () => LogFields): void {
    this.#write('warn', phrase, fields);
  }

  error(phrase: string, fields?: () => LogFields): void {
    this.#write('error', phrase, fields);
  }

  #write(level: LogLevel, phrase: string, fields: (() => LogFields) | undefined): void {
    const logger = this.#logger;
    if (logger === undefined) return;
    try {
      if (!logger.isLevelEnabled(level)) return;
      const write: (said: LogFields) => unknown = (said) => logger[level](said, phrase);
      tell(write, fields ? clean(fields()) : {}, 'log', this.#onFault);
    } catch (error) {
      this.#onFault('log', error);
    }
  }
}

/** A logger that hands messages of `level` and graver ones to `write`; a level that nobody knows counts as 'info'. */
export function loggerTo(
  level: string,
  write: (level: LogLevel, fields: object, message: string) => void,
): Logger {
  const least = LEVELS.includes(level) ? LEVELS.indexOf(level) : LEVELS.indexOf('info');
  const at = (name: LogLevel) => (fields: object, message: string) => {
    if (LEVELS.indexOf(name) >= least) write(name, fields, message);
  };
  return {
    level: LEVELS[least]!,
    isLevelEnabled: (name) => LEVELS.indexOf(name) >= least,
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
  };
}

/**
 * A logger for programs that have none: one line of JSON each on standard error. `level` defaults to LOG_LEVEL, in any
 * case of letters, else 'info'.
 */
export function consoleLogger(
  level: string = process.env.LOG_LEVEL?.toLowerCase() || 'info',
  write: (line: string) => void = (line) => console.error(line),
): Logger {
  return loggerTo(level, (name, fields, message) =>
    write(JSON.stringify({ level: name, time: new Date().toISOString(), msg: message, ...fields })),
  );
}

/** Texts and errors without their secrets. */
function clean(fields: LogFields): LogFields {
  const result: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (typeof value === 'string') result[name] = redact(value);
    else result[name] = value instanceof Error ? errorText(value) : value;
  }
  return result;
}
