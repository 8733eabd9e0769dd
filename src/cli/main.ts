#!/usr/bin/env node
// The `inhouse` command: which commands there are and how each of them ends. Heavy modules are imported inside the
// commands that need them, so that --help and the small commands answer at once.
import { Command } from 'commander';
import { packageVersion } from './about.js';
import { addBench } from './bench.js';
import { addChat } from './chat.js';
import { addCompare } from './compare.js';
import { addDoctor } from './doctor.js';
import { EXIT, reportFailure } from './failure.js';
import { addGenerate } from './generate.js';
import { addGovernance } from './governance.js';
import { addModels } from './models.js';
import { addScore } from './score.js';
import { addSetup } from './setup.js';
import { addTokenize } from './tokenize.js';

const program = new Command('inhouse')
  .description('GPT-2 in your terminal: generate, score and tokenize text on this machine.')
  .version(packageVersion(), '-v, --version', 'print the version')
  .helpOption('-h, --help', 'print this help')
  .helpCommand('help [command]', 'print the help of a command')
  .showSuggestionAfterError()
  .exitOverride()
  .configureOutput({ outputError: () => {} }) // reportFailure prints it
  .addHelpText(
    'after',
    `
Models are named 'embedded' (small, ships with the package, needs no download), by a name of
\`inhouse models list\` such as gpt2, as organisation/name on the Hugging Face hub, or as a folder.

Examples:
  inhouse generate "It was a dark night" --max-tokens 60
  echo "Once upon a time" | inhouse generate --model gpt2 --seed 7 --json
  inhouse score --file chapter.txt

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.`,
  );

for (const add of [
  addGenerate,
  addChat,
  addScore,
  addTokenize,
  addModels,
  addGovernance,
  addBench,
  addCompare,
  addSetup,
  addDoctor,
])
  add(program);

// A reader that has seen enough (`| head`) is no failure; an output that takes nothing, such as a full disk, is the end.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') return;
  process.stderr.write(`inhouse: standard output cannot be written: ${error.message}\n`);
  process.exit(EXIT.failure);
});

try {
  await program.parseAsync();
} catch (error) {
  reportFailure(error, process.argv.includes('--json'));
}
