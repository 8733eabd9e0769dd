// The checks of a set-up that governance can make by itself: process, configuration, provider, prices.
import { availableParallelism, freemem, totalmem } from 'node:os';
import { InhouseError } from '../errors.js';
import { isOlderNode, oldestNode } from '../node-version.js';
import type { Provider } from '../providers/provider.js';
import { checkGovernOptions, type GovernOptions } from './options.js';
import { governanceParts } from './parts.js';
import { PricingCatalogue } from './pricing/catalogue.js';
import { otel } from './telemetry/api.js';
import { redact } from './telemetry/redaction.js';
import { activeTracer } from './telemetry/spans.js';
import type {
  IssueLevel,
  SetupCategory,
  SetupCheck,
  SetupFinding,
  SetupIssue,
  SetupOptions,
} from './validate.js';

const FEW_CORES = 4;
const LITTLE_MEMORY_BYTES = 8e9;
const ATTRIBUTION_VARIABLES = ['GENOPS_TEAM', 'GENOPS_PROJECT', 'GENOPS_ENVIRONMENT'] as const;
/** The parts of governance are made around a provider, and none of them asks it anything by being made. */
const NOT_CALLED = { name: 'none' } as Provider;
/** Names that say that their value is one. */
const SECRET = /key|token|secret|password|credential|auth|private/i;
const REDACTED = '[redacted]';

export function setupChecks({
  provider,
  options,
  variables = process.env,
}: SetupOptions): readonly SetupCheck[] {
  const always = [
    check('dependencies', 'Node.js', nodeVersion),
    check('dependencies', 'OpenTelemetry', telemetryPresence),
    check('configuration', 'options', () => configuration(options, provider)),
    check('configuration', 'attribution', () => attribution(options, variables)),
    check('security', 'settings', () => insecureSettings(options, variables)),
    check('performance', 'machine', machine),
  ];
  if (provider === undefined) return always;
  return [
    ...always,
    check('connectivity', 'health', () => health(provider)),
    check('models', 'models', () => models(provider)),
    check('pricing', 'prices', () => prices(provider, options)),
  ];
}

function check(category: SetupCategory, name: string, run: SetupCheck['run']): SetupCheck {
  return { category, name, run };
}

function found(
  issues: readonly (SetupIssue | false | undefined)[],
  facts: Record<string, unknown> = {},
): SetupFinding {
  return { issues: issues.filter((each) => each !== undefined && each !== false), facts };
}

function issue(
  category: SetupCategory,
  level: IssueLevel,
  code: string,
  message: string,
  fix?: string,
): SetupIssue {
  return { category, level, code, message, ...(fix !== undefined && { fix }) };
}

function nodeVersion(): SetupFinding {
  const { node } = process.versions;
  const message = `Node.js ${node} is older than ${oldestNode()}.`;
  return found(
    [
      isOlderNode(node) &&
        issue('dependencies', 'critical', 'NODE_TOO_OLD', message, 'Install a newer Node.js.'),
    ],
    {
      node,
      platform: `${process.platform} ${process.arch}`,
    },
  );
}

function telemetryPresence(): SetupFinding {
  const tracing = activeTracer() !== undefined;
  const message = otel
    ? 'OpenTelemetry has no SDK registered: nothing is traced.'
    : '@opentelemetry/api is not installed: nothing is traced.';
  const fix = 'Call setupTelemetry of inhouse/telemetry at the start, or register an SDK of your own.';
  return found([!tracing && issue('dependencies', 'info', 'OTEL_NOT_CONFIGURED', message, fix)], { tracing });
}

/** Takes the options as `govern` would; what is nested in them is refused by the part that it is for. */
function configuration(options: unknown, provider: Provider = NOT_CALLED): SetupFinding {
  const configurationFact = { configuration: withoutSecrets(options ?? {}) };
  try {
    const given = (options === undefined ? {} : options) as GovernOptions;
    checkGovernOptions(given);
    governanceParts(provider, { ...given, ledger: undefined });
    return found([], configurationFact);
  } catch (error) {
    if (!(error instanceof InhouseError)) throw error;
    const problem = issue('configuration', 'error', codeFor(error, options), redact(error.message));
    return found([problem], configurationFact);
  }
}

/** The codes of GenOps for what users get wrong most. */
function codeFor({ code, details }: InhouseError, options: unknown): string {
  const option = String(details.option ?? '');
  if (code === 'INHOUSE_UNKNOWN_OPTION') return 'UNKNOWN_OPTION';
  if (option === 'governancePolicy') return 'INVALID_GOVERNANCE_POLICY';
  if (!/budget/i.test(option)) return 'INVALID_OPTION';
  const value = (options as Readonly<Record<string, unknown>>)[option];
  return typeof value === 'number' ? 'INVALID_BUDGET' : 'INVALID_BUDGET_TYPE';
}

function attribution(
  options: unknown,
  variables: Readonly<Record<string, string | undefined>>,
): SetupFinding {
  const given = ((options as GovernOptions | undefined)?.attributes ?? {}) as Readonly<
    Record<string, unknown>
  >;
  const missing = ATTRIBUTION_VARIABLES.filter(
    (name) => !variables[name] && given[name.slice('GENOPS_'.length).toLowerCase()] === undefined,
  );
  return found(
    missing.map((name) =>
      issue('configuration', 'info', 'GENOPS_VAR_MISSING', `${name} is not set; costs go to its default.`),
    ),
  );
}

function insecureSettings(
  options: unknown,
  variables: Readonly<Record<string, string | undefined>>,
): SetupFinding {
  const { captureContent, enableGovernance } = (options ?? {}) as GovernOptions;
  return found([
    captureContent === true &&
      issue(
        'security',
        'warning',
        'CONTENT_CAPTURED',
        'Prompts and answers are put on spans.',
        'Leave captureContent out.',
      ),
    enableGovernance === false &&
      issue('security', 'warning', 'GOVERNANCE_DISABLED', 'No tag rule, policy or budget is asked.'),
    variables.NODE_TLS_REJECT_UNAUTHORIZED === '0' &&
      issue(
        'security',
        'error',
        'TLS_UNCHECKED',
        'NODE_TLS_REJECT_UNAUTHORIZED=0 lets anybody answer as a provider.',
      ),
  ]);
}

function machine(): SetupFinding {
  const cores = availableParallelism();
  const memoryBytes = totalmem();
  return found(
    [
      cores < FEW_CORES &&
        issue('performance', 'warning', 'FEW_CORES', `${cores} processor cores; ${FEW_CORES} are better.`),
      memoryBytes < LITTLE_MEMORY_BYTES &&
        issue(
          'performance',
          'warning',
          'LITTLE_MEMORY',
          `${(memoryBytes / 1e9).toFixed(1)} GB of memory; 8 GB are better.`,
        ),
    ],
    { cores, memoryBytes, freeMemoryBytes: freemem() },
  );
}

async function health(provider: Provider): Promise<SetupFinding> {
  const { ok, latencyMs, problem } = await provider.health();
  const message = `${provider.name} does not answer: ${problem}`;
  return found([!ok && issue('connectivity', 'critical', 'PROVIDER_UNHEALTHY', message)], {
    provider: provider.name,
    healthLatencyMs: latencyMs,
  });
}

async function models(provider: Provider): Promise<SetupFinding> {
  const list = await provider.listModels();
  const none = issue('models', 'error', 'MODEL_ERROR', `${provider.name} serves no model.`);
  const found_ = list.map(({ id }) => issue('models', 'info', 'MODEL_ACCESSIBLE', `${id} can be used.`));
  return found(list.length === 0 ? [none] : found_, { models: list.map(({ id }) => id) });
}

async function prices(provider: Provider, options: unknown): Promise<SetupFinding> {
  const given = (options as GovernOptions | undefined)?.pricing;
  const catalogue = given instanceof PricingCatalogue ? given : new PricingCatalogue();
  const list = await provider.listModels();
  const priced = list.map(({ id }) => [id, catalogue.lookup(id, provider.name)] as const);
  const fix = 'Give its price to PricingCatalogue.set; strict mode refuses the model until then.';
  return found(
    priced.map(
      ([id, price]) =>
        price === undefined &&
        issue('pricing', 'warning', 'PRICE_MISSING', `No price is known for ${id}.`, fix),
    ),
    {
      prices: Object.fromEntries(
        priced.map(([id, price]) => [
          id,
          price && {
            input: price.inputCostPerMillion,
            output: price.outputCostPerMillion,
            source: price.source,
          },
        ]),
      ),
    },
  );
}

/** Numbers, booleans and short plain words stay; whatever may be a secret, by its name or its looks, does not. */
function withoutSecrets(value: unknown, name = ''): unknown {
  if (SECRET.test(name)) return REDACTED;
  if (typeof value === 'string') return plain(value);
  if (Array.isArray(value)) return value.map((each) => withoutSecrets(each));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [plain(key), withoutSecrets(each, key)]),
  );
}

function plain(text: string): string {
  return /^[\w .@/-]{1,32}$/.test(text) && redact(text) === text ? text : REDACTED;
}
