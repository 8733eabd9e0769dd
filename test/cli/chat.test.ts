import { expect, it } from 'vitest';
import { cliSandbox } from './cli-process.js';

const { run, start } = cliSandbox();

/** What was said after each "Reply:". */
function repliesOf(stdout: string): string[] {
  return stdout.split('Reply:').slice(1);
}

it('takes each line of piped input as a turn, remembers them until /reset, and ends with the input', async () => {
  const input = 'Good morning\n\nGood morning\n/reset\nGood morning';
  const { code, stdout, stderr } = await run(['chat', '--temperature', '0', '--max-tokens', '12'], input);
  expect(code).toBe(0);
  expect(stderr).toContain('not instruction-tuned');
  const [first, second, afterReset, ...others] = repliesOf(stdout);
  expect(others).toEqual([]);
  expect(second).not.toBe(first);
  expect(afterReset).toBe(first);
});

it('asks for no further turn after the end of the input, which Node.js 24 and later refuse', async () => {
  const refuse = `
    import { Interface } from 'node:readline/promises';
    const { prompt } = Interface.prototype;
    Interface.prototype.prompt = function (...args) {
      if (this.closed) throw new Error('readline was closed');
      prompt.apply(this, args);
    };`;
  const environment = { NODE_OPTIONS: `--import "data:text/javascript,${encodeURIComponent(refuse)}"` };
  const { code, stdout } = await run(['chat', '--max-tokens', '3'], 'Good morning\nGood', environment);
  expect(code).toBe(0);
  expect(repliesOf(stdout)).toHaveLength(2);
});

it('goes on when the conversation outgrows the context, and says that it forgets', async () => {
  const turn = 'tell me more '.repeat(200);
  const { code, stdout, stderr } = await run(
    ['chat', '--max-tokens', '3'],
    `${turn}\n${turn}\n/exit\nunread\n`,
  );
  expect(code).toBe(0);
  expect(repliesOf(stdout)).toHaveLength(2);
  expect(stderr).toContain('the model sees only the latest part');
});

it('ends the reply at an interrupt and takes the next turn', async () => {
  const process = start(['chat', '--max-tokens', '1000', '--seed', '1']);
  process.child.stdin.write('Good morning\n');
  await process.seen(({ stdout }) => stdout.length > 'Reply:'.length + 10);
  process.child.kill('SIGINT');
  process.child.stdin.write('/exit\n');
  const { code, stdout } = await process.ended;
  expect(code).toBe(0);
  expect(stdout.endsWith('\n')).toBe(true);
  expect(repliesOf(stdout)).toHaveLength(1);
});

it('ends when nobody reads any more, however many turns are waiting', async () => {
  const process = start(['chat', '--max-tokens', '3']);
  process.child.stdin.write('Good morning\n'.repeat(5000)); // and left open, as by a program that goes on writing
  await process.seen(({ stdout }) => repliesOf(stdout).length > 1);
  process.child.stdout.destroy();
  expect((await process.ended).code).toBe(0);
});

it('leaves with code 130 at an interrupt while it waits for a turn', async () => {
  const process = start(['chat']);
  await process.seen(({ stderr }) => stderr.includes('/exit'));
  process.child.kill('SIGINT');
  expect(await process.ended).toMatchObject({ code: 130, stdout: '' });
});
