// `inhouse governance`: whether a set-up works, what is in force, what calls cost, what policies and budgets say.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { packageVersion } from './about.js';
import { EXIT, usageError } from './failure.js';
import { addModelFlags, type ModelFlags, toNumber } from './flags.js';
import { readConfig, readGovernOptions } from './governance-config.js';
import { addGovernanceCost } from './governance-cost.js';
import { addGovernancePolicy } from './governance-policy.js';
import { openModel } from './open-model.js';
import { table, writeLine } from './output.js';
import { stopSignal } from './stop-signal.js';

interface JsonFlag {
  readonly json?: boolean;
}

export function addGovernance(program: Command): void {
  const governance = program
    .command('governance')
    .description('Check a governance set-up; estimate costs; try policies; read budgets.');
  addModelFlags(governance.command('validate'))
    .description(
      'Check process, configuration, model and prices, with one generated token; exit 1 on errors.',
    )
    .option('--config <file>', 'options of `govern` as JSON')
    .option('--json', 'print one JSON object')
    .action(validate);
  governance
    .command('status')
    .description('Print what is in force by default: attribution, telemetry, prices.')
    .option('--json', 'print one JSON object')
    .action(status);
  addGovernanceCost(governance);
  addGovernancePolicy(governance);
  const budget = governance.command('budget').description('Read budgets from the ledger of a program.');
  budget
    .command('status')
    .description('Print what is used of each budget.')
    .addOption(new Option('--ledger <folder>', 'folder of the ledger').makeOptionMandatory())
    .option('--config <file>', 'options of `govern` as JSON, with the budgets')
    .option('--daily <usd>', 'limit of a day, in place of the one of --config', toNumber)
    .option('--monthly <usd>', 'limit of a month, in place of the one of --config', toNumber)
    .option('--json', 'print one JSON object')
    .action(budgetStatus);
}

async function validate(flags: ModelFlags & JsonFlag & { readonly config?: string }): Promise<void> {
  const options = await readConfig(flags.config);
  const { validateSetup, validationReport } = await import('../governance/validate.js');
  const { local } = await import('../providers/local.js');
  const signal = stopSignal();
  // A model that cannot be opened is a finding like any other: weights, shapes and tokenizer are checked as it loads.
  const opened = await openModel(flags, signal).then(
    (model) => ({ model }),
    (error: unknown) => ({ error }),
  );
  const model = 'model' in opened ? opened.model : undefined;
  try {
    signal.throwIfAborted(); // Ctrl-C is no finding
    const result = await validateSetup({
      options,
      ...(model ? { provider: local(model) } : {}),
      checks: [
        {
          category: 'models',
          name: flags.model,
          async run() {
            if ('error' in opened) throw opened.error;
            return { issues: [], facts: { model: await roundTrip(opened.model) } };
          },
        },
      ],
    });
    signal.throwIfAborted();
    await writeLine(flags.json ? JSON.stringify(result) : validationReport(result));
    if (!result.success) process.exitCode = EXIT.failure;
  } finally {
    await model?.dispose();
  }
}

/** Throws unless the tokenizer gives back the text that it was given, in tokens of the model. */
async function roundTrip(model: Awaited<ReturnType<typeof openModel>>): Promise<object> {
  const text = 'Naïve façades, 100 % — “quoted”.';
  const tokens = model.tokenize(text);
  if (model.detokenize(tokens) !== text)
    throw new Error('the tokenizer does not give back what it was given');
  const { id, contextLength, vocabularySize } = model.info();
  if (tokens.some((token) => token >= vocabularySize)) throw new Error('the tokenizer is of another model');
  return { id, contextLength, vocabularySize };
}

async function status({ json }: JsonFlag): Promise<void> {
  const { Attribution } = await import('../governance/attribution.js');
  const { activeTracer } = await import('../governance/telemetry/spans.js');
  const { otel } = await import('../governance/telemetry/api.js');
  const { PricingCatalogue } = await import('../governance/pricing/catalogue.js');
  const catalogue = new PricingCatalogue();
  const facts = {
    version: packageVersion(),
    attributes: new Attribution().resolve(),
    openTelemetryApi: otel !== undefined,
    openTelemetrySdk: activeTracer() !== undefined,
    pricedModels: Object.fromEntries(
      [...new Set(catalogue.prices().map(({ provider }) => provider))].map((provider) => [
        provider,
        catalogue.prices(provider).length,
      ]),
    ),
    infrastructureRates: catalogue.rates,
  };
  if (json) return writeLine(JSON.stringify(facts));
  const rows = Object.entries(facts).map(([name, value]) => [
    name,
    typeof value === 'object'
      ? Object.entries(value)
          .map(([key, each]) => `${key}=${each}`)
          .join(' ')
      : String(value),
  ]);
  await writeLine(table(rows));
}

async function budgetStatus(flags: {
  readonly ledger: string;
  readonly config?: string;
  readonly daily?: number;
  readonly monthly?: number;
  readonly json?: boolean;
}): Promise<void> {
  const { govern } = await import('../governance/governed-provider.js');
  const { FileLedger } = await import('../governance/ledger-file.js');
  const { budgetReport } = await import('../governance/budget-report.js');
  const { stub } = await import('../providers/stub.js');
  const limits = {
    ...(flags.daily !== undefined && { dailyBudgetLimit: flags.daily }),
    ...(flags.monthly !== undefined && { monthlyBudgetLimit: flags.monthly }),
  };
  const config = await readGovernOptions(flags.config);
  if (!existsSync(join(flags.ledger, 'CURRENT'))) {
    throw usageError(
      `There is no ledger in ${flags.ledger}; give the folder that a program opens with FileLedger.open.`,
    );
  }
  const ledger = await FileLedger.open(flags.ledger, { onlyToRead: true });
  try {
    const governed = govern(stub(), { ...config, ...limits }); // without the ledger: this only reads
    governed.governance.budgets.restore(await ledger.load());
    const report = governed.budgetStatus();
    await writeLine(
      flags.json ? JSON.stringify(report) : budgetReport(report, process.stdout.isTTY === true),
    );
  } finally {
    await ledger.close();
  }
}
