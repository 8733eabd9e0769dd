// `inhouse governance policy`: keeps the policies of a configuration file, and tries them on a call that is not made.
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import type { GovernOptions } from '../governance/options.js';
import type { Policy } from '../governance/policy.js';
import { EXIT, usageError } from './failure.js';
import { toNumber } from './flags.js';
import { readGovernOptions } from './governance-config.js';
import { table, writeLine } from './output.js';

interface RegisterFlags {
  readonly config: string;
  readonly type?: string;
  readonly description?: string;
  readonly enforcement: string;
  readonly disabled?: boolean;
  readonly conditions?: string;
  readonly json?: boolean;
}

interface CheckFlags {
  readonly config: string;
  readonly model: string;
  readonly team: string;
  readonly prompt: string;
  readonly cost: number;
  readonly json?: boolean;
}

const configOption = () => new Option('--config <file>', 'options of `govern` as JSON').makeOptionMandatory();

export function addGovernancePolicy(governance: Command): void {
  const policy = governance.command('policy').description('Register and try policies.');
  policy
    .command('register')
    .description('Add a policy to a configuration file, or replace the one of that name.')
    .argument('<name>')
    .addOption(configOption())
    .option(
      '--type <type>',
      'cost_limit, rate_limit, content_filter, team_access, model_access (default: the name)',
    )
    .option('--description <text>', 'for people')
    .addOption(
      new Option('--enforcement <level>', 'what a violation results in')
        .choices(['allowed', 'blocked', 'warning', 'rate_limited'])
        .default('blocked'),
    )
    .option('--disabled', 'register it without putting it in force')
    .option('--conditions <json>', 'what its type asks for, such as {"maxCost":0.01}')
    .option('--json', 'print one JSON object')
    .action(register);
  policy
    .command('check')
    .description('Say what the policies of a configuration decide on a call; exit 1 where they stop it.')
    .addOption(configOption())
    .option('--model <name>', 'model of the call', 'gpt2')
    .option('--team <name>', 'team of the call', 'default')
    .option('--prompt <text>', 'text of the call', '')
    .option('--cost <usd>', 'cost of the call', toNumber, 0)
    .option('--json', 'print one JSON array')
    .action(check);
}

async function register(name: string, flags: RegisterFlags): Promise<void> {
  const { PolicyEngine } = await import('../governance/policy.js');
  const config = existsSync(flags.config) ? await readGovernOptions(flags.config) : {};
  const { type, description, disabled } = flags;
  const policy: Policy = {
    name,
    ...(type !== undefined && { type }),
    ...(description !== undefined && { description }),
    enabled: disabled !== true,
    enforcement: flags.enforcement as NonNullable<Policy['enforcement']>,
    conditions: conditionsOf(flags.conditions),
  };
  new PolicyEngine().register(policy); // refuses what cannot be
  const others = (config.policies ?? []).filter((other) => other.name !== name);
  const policies = [...others, policy];
  await writeConfig(flags.config, { ...config, policies });
  await writeLine(flags.json ? JSON.stringify(policy) : `Policy ${name} is in ${flags.config}.`);
}

async function writeConfig(file: string, options: GovernOptions): Promise<void> {
  try {
    await writeFile(file, `${JSON.stringify(options, undefined, 2)}\n`);
  } catch (error) {
    throw usageError(`--config ${file} cannot be written: ${(error as Error).message}`);
  }
}

async function check(flags: CheckFlags): Promise<void> {
  const { PolicyEngine, stops } = await import('../governance/policy.js');
  const engine = new PolicyEngine();
  for (const policy of (await readGovernOptions(flags.config)).policies ?? []) engine.register(policy);
  const decisions = engine.evaluate({
    attributes: { team: flags.team },
    model: flags.model,
    content: flags.prompt,
    costUsd: flags.cost,
  });
  if (flags.json) await writeLine(JSON.stringify(decisions));
  else {
    const rows = decisions.map(({ policy, result, reason = '' }) => [policy, result, reason]);
    await writeLine(table([['POLICY', 'RESULT', 'REASON'], ...rows]));
  }
  if (decisions.some(stops)) process.exitCode = EXIT.failure;
}

function conditionsOf(text = '{}'): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(text) as Readonly<Record<string, unknown>>;
  } catch (error) {
    throw usageError(`--conditions is not JSON: ${(error as Error).message}`);
  }
}
