import { describe, expect, it } from 'vitest';
import { cliSandbox } from './cli-process.js';

const { run } = cliSandbox();

describe('wrong usage ends with code 2 and one line that names what is wrong', () => {
  it.each([
    { command: 'nonsense', names: /unknown command 'nonsense'.*\[INHOUSE_INVALID_OPTION\]/ },
    {
      command: 'generate x --warmth 1',
      names: /unknown option '--warmth'.*\[INHOUSE_UNKNOWN_OPTION\]/,
    },
    { command: 'generate x --max-tokens abc', names: /--max-tokens.*'abc'.*must be a number/ },
    {
      command: 'generate x --max-tokens 0',
      names: /--max-tokens is 0; it must be an integer from 1/,
    },
    { command: 'generate x -n 65', names: /-n is 65/ },
    { command: 'generate x --logprobs 1', names: /--logprobs .* --json/ },
    { command: 'generate x --threads 0', names: /--threads is 0/ },
    { command: 'chat --top-p 2', names: /--top-p is 2/ },
    { command: 'score x --ids 1,2', names: /only one of them/ },
    { command: 'score --ids 1,two', names: /--ids.*1,two/ },
    { command: 'score --file no-such-file', names: /--file no-such-file cannot be read/ },
    { command: 'models rm embedded -y', names: /part of the package/ },
  ])('$command', async ({ command, names }) => {
    const { code, stdout, stderr } = await run(command.split(' '));
    expect({ code, stdout, stderr }).toEqual({ code: 2, stdout: '', stderr: expect.stringMatching(names) });
    expect(stderr).toMatch(/^inhouse: [^\n]+\n$/);
  });
});

it('prints help and version with code 0, and help on standard error where a command is missing', async () => {
  const [help, helpOf, version, none] = await Promise.all([
    run(['--help']),
    run(['help', 'generate']),
    run(['--version']),
    run(['models']),
  ]);
  expect(help).toMatchObject({ code: 0, stderr: '' });
  for (const command of ['generate', 'chat', 'score', 'tokenize', 'models', 'doctor']) {
    expect(help.stdout).toContain(`\n  ${command}`);
  }
  expect(helpOf).toMatchObject({ code: 0, stderr: '' });
  expect(helpOf.stdout).toContain('--max-tokens');
  expect(version).toMatchObject({ code: 0, stderr: '' });
  expect(version.stdout).toMatch(/^\d+\.\d+\.\d+\S*\n$/);
  expect(none).toMatchObject({ code: 2, stdout: '' });
  expect(none.stderr).toContain('pull');
});

it('fails with code 1 and the error as one JSON object on standard error with --json', async () => {
  const { code, stdout, stderr } = await run(['generate', 'x', '--model', 'gtp2', '--json']);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  const { error } = JSON.parse(stderr) as { error: { code: string; message: string } };
  expect(error.code).toBe('INHOUSE_MODEL_UNKNOWN');
  expect(error.message).toContain('Did you mean "gpt2"?');
});

it('refuses input that is not UTF-8, and input that is empty', async () => {
  const latin1 = await run(['tokenize'], Buffer.from('caf\xe9', 'latin1'));
  expect(latin1.code).toBe(1);
  expect(latin1.stderr).toContain('[INHOUSE_INVALID_TEXT]');
  const empty = await run(['generate'], '\n');
  expect(empty.code).toBe(1);
  expect(empty.stderr).toContain('[INHOUSE_EMPTY_PROMPT]');
});
