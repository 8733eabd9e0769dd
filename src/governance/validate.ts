// Says whether a set-up can work before the first call: runs checks, one concern each, and sums up what they found.
// The checks that governance itself can make are in setup-checks.ts; applications add their own.
import type { Provider } from '../providers/provider.js';
import { setupChecks } from './setup-checks.js';
import { errorText } from './telemetry/redaction.js';

export type SetupCategory =
  | 'dependencies'
  | 'configuration'
  | 'connectivity'
  | 'models'
  | 'pricing'
  | 'performance'
  | 'security';

/** 'error' and 'critical': calls will fail, some or all of them. */
export type IssueLevel = 'info' | 'warning' | 'error' | 'critical';

export interface SetupIssue {
  readonly category: SetupCategory;
  readonly level: IssueLevel;
  /** For machines, such as INVALID_BUDGET. */
  readonly code: string;
  readonly message: string;
  /** What to do. */
  readonly fix?: string;
}

/** What one check found. It passes unless an issue is worse than 'info'. */
export interface SetupFinding {
  readonly issues: readonly SetupIssue[];
  /** For `facts` of the result. Holds no secrets. */
  readonly facts?: Readonly<Record<string, unknown>>;
}

export interface SetupCheck {
  readonly category: SetupCategory;
  readonly name: string;
  /** What it throws is an error of its category. */
  run(): SetupFinding | Promise<SetupFinding>;
}

export interface SetupOptions {
  readonly provider?: Provider | undefined;
  /** What `govern` will be told; may be anything, such as the content of a file. */
  readonly options?: unknown;
  readonly variables?: Readonly<Record<string, string | undefined>> | undefined;
  /** Further checks, after the built-in ones. */
  readonly checks?: readonly SetupCheck[] | undefined;
}

export interface SetupValidation {
  /** No error and nothing critical. */
  readonly success: boolean;
  readonly totalChecks: number;
  readonly passedChecks: number;
  /** Percent; 0 without checks. */
  readonly score: number;
  readonly issues: readonly SetupIssue[];
  readonly errors: readonly string[];
  readonly warnings: readonly string[];
  readonly hasErrors: boolean;
  readonly hasCriticalIssues: boolean;
  /** What the checks learned: system, models, prices, the configuration without its secrets. */
  readonly facts: Readonly<Record<string, unknown>>;
  readonly recommendations: readonly string[];
  /** ISO 8601. */
  readonly timestamp: string;
}

/** Never rejects. With a provider, it generates a token. */
export async function validateSetup(setup: SetupOptions = {}): Promise<SetupValidation> {
  const issues: SetupIssue[] = [];
  const facts: Record<string, unknown> = {};
  const checks = [...setupChecks(setup), ...(setup.checks ?? [])];
  let passedChecks = 0;
  for (const check of checks) {
    const finding = await findingOf(check);
    issues.push(...finding.issues);
    Object.assign(facts, finding.facts);
    if (finding.issues.every(({ level }) => level === 'info')) passedChecks++;
  }
  const score = checks.length === 0 ? 0 : (passedChecks / checks.length) * 100;
  const messages = (...levels: readonly IssueLevel[]) =>
    issues.filter(({ level }) => levels.includes(level)).map(({ message }) => message);
  const errors = messages('error', 'critical');
  return {
    success: errors.length === 0,
    totalChecks: checks.length,
    passedChecks,
    score,
    issues,
    errors,
    warnings: messages('warning'),
    hasErrors: errors.length > 0,
    hasCriticalIssues: messages('critical').length > 0,
    facts,
    recommendations: [verdict(score, errors.length > 0), ...issues.flatMap(({ fix }) => fix ?? [])],
    timestamp: new Date().toISOString(),
  };
}

/** Only whether it can work. */
export async function isSetupValid(setup: SetupOptions = {}): Promise<boolean> {
  return (await validateSetup(setup)).success;
}

const MARKS: Readonly<Record<IssueLevel, string>> = {
  info: 'note',
  warning: 'warning',
  error: 'ERROR',
  critical: 'CRITICAL',
};

/** For a terminal. */
export function validationReport(result: SetupValidation): string {
  const { totalChecks, passedChecks, score, issues, recommendations } = result;
  const lines = [
    `${passedChecks} of ${totalChecks} checks passed (${score.toFixed(0)} %). ${recommendations[0]}`,
  ];
  for (const { level, category, code, message, fix } of issues) {
    lines.push(
      `${MARKS[level]}: ${category}: ${message} [${code}]${fix === undefined ? '' : `\n    ${fix}`}`,
    );
  }
  return lines.join('\n');
}

async function findingOf({ category, name, run }: SetupCheck): Promise<SetupFinding> {
  try {
    return await run();
  } catch (error) {
    const code = (error as { readonly code?: unknown } | undefined)?.code;
    const message = `${name}: ${errorText(error)}`;
    return {
      issues: [{ category, level: 'error', code: typeof code === 'string' ? code : 'CHECK_FAILED', message }],
    };
  }
}

function verdict(score: number, hasErrors: boolean): string {
  if (score === 100) return 'Ready.';
  if (score >= 75 && !hasErrors) return 'Mostly ready: look at the warnings.';
  return 'Not ready: resolve the errors first.';
}
