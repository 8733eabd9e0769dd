import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { expect, it } from 'vitest';
import type { GenerationResult } from '#inhouse/generation.js';
import { cliSandbox, MAIN } from './cli-process.js';

const { run, start, environment } = cliSandbox();
const PROMPT = 'It was a dark night';

it('writes the same text whether streamed or as JSON, from an argument or from standard input', async () => {
  const flags = ['--seed', '7', '--max-tokens', '12'];
  const json = await run(['generate', PROMPT, '--json', '--logprobs', '2', ...flags]);
  expect(json).toMatchObject({ code: 0, stderr: '' });
  const result = JSON.parse(json.stdout) as GenerationResult & { model: string };
  expect(result).toMatchObject({ model: 'embedded', seed: 7, finishReason: 'length', droppedTokens: 0 });
  expect(result.tokens).toHaveLength(12);
  expect(result.logprobs).toHaveLength(12);
  expect(result.logprobs?.[0]?.top).toHaveLength(2);

  const streamed = await run(['generate', '--echo', '--stats', ...flags], `${PROMPT}\n`);
  expect(streamed.code).toBe(0);
  expect(streamed.stdout).toBe(`${PROMPT}${result.text}\n`);
  expect(streamed.stderr).toMatch(
    /^\[12 tokens in .* s, .* tokens\/s, first token after .* ms, seed 7, ended by length\]\n$/,
  );
});

it('prints several choices one after another, ended by any of the stop texts', async () => {
  const flags = [
    '-n',
    '2',
    '--seed',
    '1',
    '--max-tokens',
    '40',
    '--stop',
    '\n',
    '--stop',
    ' the',
    '--stop',
    ' a',
  ];
  const { code, stdout } = await run(['generate', PROMPT, ...flags]);
  expect(code).toBe(0);
  const [nothing, first, second] = stdout.split(/--- choice \d of 2 ---\n/);
  expect(nothing).toBe('');
  expect(first).not.toBe(second);
  for (const text of [first, second]) expect(text).not.toMatch(/.\n./s);
  expect(stdout).not.toMatch(/ the| a /);
});

const ENDLESS = ['generate', PROMPT, '--max-tokens', '100000', '--context-overflow', 'slide', '--seed', '3'];

it.runIf(existsSync('/dev/full'))('fails with one line where its output cannot be written', async () => {
  const full = openSync('/dev/full', 'w');
  const child = spawn(globalThis.process.execPath, [MAIN, 'generate', PROMPT, '--max-tokens', '3'], {
    env: environment,
    stdio: ['ignore', full, 'pipe'],
  });
  closeSync(full);
  const [stderr, [code]] = await Promise.all([text(child.stderr!), once(child, 'close')]);
  expect(code).toBe(1);
  expect(stderr).toMatch(/^inhouse: standard output cannot be written: ENOSPC[^\n]*\n$/);
});

it('ends with what there is and exit code 130 when it is interrupted', async () => {
  const process = start(ENDLESS);
  process.child.stdin.end();
  await process.seen(({ stdout }) => stdout.length > 20);
  process.child.kill('SIGINT');
  const { code, stdout, stderr } = await process.ended;
  expect({ code, stderr }).toEqual({ code: 130, stderr: '' });
  expect(stdout.endsWith('\n')).toBe(true);
});

it('ends quietly when nobody reads its output any more', async () => {
  const process = start(ENDLESS);
  process.child.stdin.end();
  await process.seen(({ stdout }) => stdout.length > 20);
  process.child.stdout.destroy();
  expect(await process.ended).toMatchObject({ code: 0, stderr: '' });
});
