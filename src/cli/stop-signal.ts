// What ends a long command early: Ctrl-C, or nobody reading its output any more.
import { EXIT } from './failure.js';

/**
 * Aborts at the first SIGINT, which also sets the exit code 130, and when standard output is closed (`| head`).
 * A second SIGINT ends the process at once.
 */
export function stopSignal(): AbortSignal {
  const controller = new AbortController();
  process.once('SIGINT', () => {
    process.exitCode = EXIT.interrupted;
    controller.abort();
  });
  process.stdout.once('error', () => controller.abort());
  return controller.signal;
}
