// Runs the built `inhouse` command as a process of its own, with caches of its own and none of the developer's settings.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';

export const MAIN = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** One running command; `seen` and `ended` can be awaited in any order. */
export class CliProcess {
  readonly child: ChildProcessWithoutNullStreams;
  readonly ended: Promise<Ended>;
  stdout = '';
  stderr = '';

  constructor(args: readonly string[], environment: NodeJS.ProcessEnv) {
    this.child = spawn(process.execPath, [MAIN, ...args], { env: environment });
    this.child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
    });
    this.child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    this.child.stdin.on('error', () => {}); // a command that ends without reading its input
    this.ended = once(this.child, 'close').then(([code]) => ({
      code: code as number | null,
      stdout: this.stdout,
      stderr: this.stderr,
    }));
  }

  /** Resolves when the condition holds; rejects if the command ends before. */
  async seen(condition: (process: CliProcess) => boolean): Promise<void> {
    let over = false;
    void this.ended.then(() => {
      over = true;
    });
    while (!condition(this)) {
      if (over) throw new Error(`ended early; stdout: ${this.stdout}; stderr: ${this.stderr}`);
      await Promise.race([once(this.child.stdout, 'data'), once(this.child.stderr, 'data'), this.ended]);
    }
  }
}

export interface CliSandbox {
  /** Removed after the tests of the file. */
  readonly folder: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly start: (args: readonly string[], extra?: NodeJS.ProcessEnv) => CliProcess;
  /** Runs to the end, with `input` as the whole standard input. */
  readonly run: (
    args: readonly string[],
    input?: string | Buffer,
    extra?: NodeJS.ProcessEnv,
  ) => Promise<Ended>;
}

/** To be called at the top level of a test file. */
export function cliSandbox(): CliSandbox {
  const folder = mkdtempSync(join(tmpdir(), 'inhouse-cli-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(HF_|HUGGINGFACE_|INHOUSE_|XDG_)/.test(name),
  );
  const environment = {
    ...Object.fromEntries(inherited),
    INHOUSE_HOME: join(folder, 'home'),
    HF_HOME: join(folder, 'hf'),
  };
  const start: CliSandbox['start'] = (args, extra) => new CliProcess(args, { ...environment, ...extra });
  return {
    folder,
    environment,
    start,
    run: (args, input = '', extra = {}) => {
      const process = start(args, extra);
      process.child.stdin.end(input);
      return process.ended;
    },
  };
}
