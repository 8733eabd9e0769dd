// `inhouse governance cost`: what calls would cost, here and elsewhere. Needs no model.
import { Argument, type Command } from 'commander';
import type { TaskComplexity } from '../governance/pricing/advice.js';
import { toNumber } from './flags.js';
import { table, writeLine } from './output.js';

interface EstimateFlags {
  readonly provider?: string;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly json?: boolean;
}

export function addGovernanceCost(governance: Command): void {
  const cost = governance.command('cost').description('Estimate, compare, recommend and project costs.');
  cost
    .command('models')
    .description('List the known prices, in USD per million tokens.')
    .option('--provider <slug>', 'only of this provider')
    .option('--json', 'print one JSON array')
    .action(models);
  cost
    .command('estimate')
    .description('Print what a call costs.')
    .argument('<model>')
    .option('--provider <slug>', 'whose price (default: the first that has the model)')
    .option('--input-tokens <count>', 'tokens of the prompt', toNumber, 100)
    .option('--output-tokens <count>', 'tokens of the answer', toNumber, 100)
    .option('--json', 'print one JSON object')
    .action(estimate);
  cost
    .command('compare')
    .description('Compare models by the cost of a number of tokens, 30 % of them input.')
    .argument('<models...>')
    .option('--tokens <count>', 'tokens', toNumber, 1000)
    .option('--json', 'print one JSON array')
    .action(compare);
  cost
    .command('recommend')
    .description('Print the cheapest model for a kind of task.')
    .addArgument(new Argument('<complexity>', 'of the task').choices(['simple', 'moderate', 'complex']))
    .option('--budget <usd>', 'most per operation of 1 000 tokens', toNumber)
    .option('--min-context <tokens>', 'shortest context', toNumber)
    .option('--provider <slug>', 'only of this provider')
    .option('--json', 'print one JSON object')
    .action(recommend);
  cost
    .command('analyze')
    .description('Project what a steady load costs, and what the cheapest alternative would.')
    .argument('<model>')
    .option('--operations <count>', 'operations a day', toNumber, 1000)
    .option('--tokens <count>', 'tokens per operation', toNumber, 500)
    .option('--days <count>', 'days of a month', toNumber, 30)
    .option('--json', 'print one JSON object')
    .action(analyze);
}

async function catalogue() {
  const { PricingCatalogue } = await import('../governance/pricing/catalogue.js');
  return new PricingCatalogue();
}

async function models(flags: { readonly provider?: string; readonly json?: boolean }): Promise<void> {
  const prices = (await catalogue()).prices(flags.provider);
  if (flags.json) return writeLine(JSON.stringify(prices));
  const header = ['MODEL', 'PROVIDER', 'TIER', 'INPUT', 'OUTPUT', 'CONTEXT', 'AS OF'];
  const rows = prices.map((price) => [
    price.model,
    price.provider,
    price.tier,
    String(price.inputCostPerMillion),
    String(price.outputCostPerMillion),
    String(price.contextLength ?? '-'),
    price.asOf,
  ]);
  await writeLine(table([header, ...rows]));
}

async function estimate(model: string, flags: EstimateFlags): Promise<void> {
  const { showUsd } = await import('../governance/usd.js');
  const cost = (await catalogue()).cost({
    model,
    provider: flags.provider,
    usage: { promptTokens: flags.inputTokens, completionTokens: flags.outputTokens },
  });
  if (flags.json) return writeLine(JSON.stringify(cost));
  const rows = [
    ['input', showUsd(cost.inputUsd)],
    ['output', showUsd(cost.outputUsd)],
    ['total', showUsd(cost.totalUsd)],
  ];
  if (cost.assumption !== undefined) rows.push(['assumption', cost.assumption]);
  await writeLine(table(rows));
}

async function compare(
  names: readonly string[],
  flags: { readonly tokens: number; readonly json?: boolean },
): Promise<void> {
  const { compareModels } = await import('../governance/pricing/advice.js');
  const { showUsd } = await import('../governance/usd.js');
  const compared = compareModels(await catalogue(), names, { estimatedTokens: flags.tokens });
  if (flags.json) return writeLine(JSON.stringify(compared));
  const rows = compared.map(({ model, provider, tier, estimatedCost }) => [
    model,
    provider,
    tier,
    showUsd(estimatedCost),
  ]);
  await writeLine(table([['MODEL', 'PROVIDER', 'TIER', 'COST'], ...rows]));
}

async function recommend(
  taskComplexity: TaskComplexity,
  flags: {
    readonly budget?: number;
    readonly minContext?: number;
    readonly provider?: string;
    readonly json?: boolean;
  },
): Promise<void> {
  const { recommendModel } = await import('../governance/pricing/advice.js');
  const { showUsd } = await import('../governance/usd.js');
  const { budget, minContext, provider } = flags;
  const advice = recommendModel(await catalogue(), {
    taskComplexity,
    provider,
    ...(budget !== undefined && { budgetPerOperation: budget }),
    ...(minContext !== undefined && { minContextLength: minContext }),
  });
  if (flags.json) return writeLine(JSON.stringify(advice));
  const { recommendedModel, estimatedCost = 0, reason } = advice;
  const price = recommendedModel === null ? '' : `, ${showUsd(estimatedCost)} per 1 000 tokens`;
  await writeLine(`${recommendedModel ?? 'none'}${price}\n${reason}`);
}

async function analyze(
  model: string,
  flags: {
    readonly operations: number;
    readonly tokens: number;
    readonly days: number;
    readonly json?: boolean;
  },
): Promise<void> {
  const { analyzeCosts } = await import('../governance/pricing/advice.js');
  const { showUsd } = await import('../governance/usd.js');
  const analysis = analyzeCosts(await catalogue(), {
    model,
    operationsPerDay: flags.operations,
    avgTokensPerOperation: flags.tokens,
    days: flags.days,
  });
  if (flags.json) return writeLine(JSON.stringify(analysis));
  const { bestAlternative, potentialMonthlySavings } = analysis.potentialSavings;
  await writeLine(
    table([
      ['operation', showUsd(analysis.costPerOperation)],
      ['day', showUsd(analysis.dailyCost)],
      ['month', showUsd(analysis.monthlyCost)],
      ['year', showUsd(analysis.yearlyCost)],
      ['cheapest alternative', bestAlternative?.model ?? 'none'],
      ['it would save a month', showUsd(potentialMonthlySavings)],
    ]),
  );
}
