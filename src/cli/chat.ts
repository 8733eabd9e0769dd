// `inhouse chat`: takes turns with the model in one growing text. GPT-2 was not trained to converse, and this command
// does not pretend otherwise: it hands the model a transcript and shows how it goes on.
import { createInterface, type Interface } from 'node:readline/promises';
import type { Command } from 'commander';
import { resolveOptions } from '../engine/options.js';
import type { GenerationResult } from '../generation.js';
import type { Model } from '../model.js';
import { EXIT } from './failure.js';
import { addRunFlags, type RunFlags } from './flags.js';
import { openModel } from './open-model.js';
import { write } from './output.js';
import { addSamplingFlags, type SamplingFlags } from './sampling-flags.js';

interface ChatFlags extends RunFlags, SamplingFlags {}

const YOU = 'You:';
const REPLY = 'Reply:';
const INTRODUCTION =
  'GPT-2 is not instruction-tuned: it does not answer, it goes on with the text of this conversation.\n' +
  'Ctrl-C ends a reply. /reset forgets the conversation, /exit leaves, /help repeats this.\n';
const FORGETTING =
  '(The conversation no longer fits the context: the model sees only the latest part. /reset starts anew.)\n';

export function addChat(program: Command): void {
  const command = program
    .command('chat')
    .description('Take turns with the model; each line of piped input is one turn.');
  addSamplingFlags(addRunFlags(command)).action(chat);
}

async function chat(flags: ChatFlags): Promise<void> {
  const { model: _m, revision: _r, offline: _o, precision: _p, device: _d, threads: _t, ...sampling } = flags;
  resolveOptions(sampling, []); // complains before a model is loaded or downloaded
  await using model = await openModel(flags);
  const lines = openLines();
  let reply: AbortController | undefined;
  const onInterrupt = () => {
    if (reply) return reply.abort();
    process.exitCode = EXIT.interrupted;
    lines.close();
  };
  const unread = new AbortController(); // nobody takes what is written any more
  const onUnread = () => {
    unread.abort();
    reply?.abort();
  };
  process.stdout.once('error', onUnread);
  lines.on('SIGINT', onInterrupt); // a terminal in line editing sends no signal
  process.on('SIGINT', onInterrupt);
  try {
    await converse(lines, (prompt) => {
      reply = new AbortController();
      return writeReply(model, prompt, sampling, reply.signal).finally(() => {
        reply = undefined;
        unread.signal.throwIfAborted();
      });
    });
  } finally {
    lines.close();
    process.stdin.destroy(); // input that nobody will read must not keep the process
    process.stdout.off('error', onUnread);
    process.off('SIGINT', onInterrupt);
  }
}

/** Takes turns until /exit or the end of the input. */
async function converse(
  lines: Interface,
  reply: (prompt: string) => Promise<GenerationResult>,
): Promise<void> {
  let transcript = '';
  let ended = false; // the input, which can happen during a reply; Node.js 24 and later refuse to prompt then
  lines.once('close', () => {
    ended = true;
  });
  process.stderr.write(INTRODUCTION);
  lines.prompt();
  for await (const line of lines) {
    const turn = line.trim();
    if (turn === '/exit') return;
    if (turn === '/reset') transcript = '';
    else if (turn.startsWith('/')) process.stderr.write(INTRODUCTION);
    else if (turn !== '') {
      const prompt = `${transcript}${YOU} ${turn}\n${REPLY}`;
      const { text, droppedTokens } = await reply(prompt);
      if (droppedTokens > 0) process.stderr.write(FORGETTING);
      transcript = `${prompt}${text.trimEnd()}\n`;
    }
    if (!ended) lines.prompt();
  }
}

/** Edits lines and shows a prompt on a terminal; of piped input nothing is echoed. */
function openLines(): Interface {
  const input = process.stdin;
  if (!(input.isTTY && process.stdout.isTTY)) return createInterface({ input });
  const lines = createInterface({ input, output: process.stdout, prompt: `${YOU} ` });
  return lines.once('close', () => process.stdout.write('\n'));
}

async function writeReply(
  model: Model,
  prompt: string,
  sampling: SamplingFlags,
  signal: AbortSignal,
): Promise<GenerationResult> {
  const stream = model.stream(prompt, {
    ...sampling,
    stop: `\n${YOU}`,
    contextOverflow: 'truncate-left',
    signal,
  });
  await write(REPLY);
  for await (const { text } of stream) await write(text);
  await write('\n');
  return stream.result;
}
