// The flags that say how the next token is drawn, for the commands that generate.
import type { Command } from 'commander';
import type { GenerateOptions } from '../engine/options.js';
import { toNumber } from './flags.js';

/** Named as the options of `generate`, so they can be handed on as they are. */
export type SamplingFlags = Pick<
  GenerateOptions,
  | 'maxTokens'
  | 'temperature'
  | 'topK'
  | 'topP'
  | 'minP'
  | 'repetitionPenalty'
  | 'presencePenalty'
  | 'frequencyPenalty'
  | 'seed'
>;

/** Defaults that read well at a prompt; the library's own leave the distribution as it is. */
export function addSamplingFlags(command: Command): Command {
  return command
    .option('--max-tokens <count>', 'most tokens to generate (default: 128)', toNumber)
    .option('--temperature <number>', '0 always takes the most probable token', toNumber, 0.8)
    .option('--top-k <count>', 'draw among the k most probable tokens', toNumber)
    .option('--top-p <number>', 'draw among the tokens that make up this probability', toNumber, 0.95)
    .option('--min-p <number>', 'draw among tokens this probable relative to the best', toNumber)
    .option('--repetition-penalty <number>', 'above 1 makes tokens less likely to come again', toNumber)
    .option('--presence-penalty <number>', 'subtracted once for tokens in the output', toNumber)
    .option('--frequency-penalty <number>', 'subtracted for each occurrence in the output', toNumber)
    .option('--seed <integer>', 'the same seed gives the same text (default: random)', toNumber);
}
