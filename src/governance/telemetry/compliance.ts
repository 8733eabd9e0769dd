// Checks exported spans against the GenOps Governance Specification v0.1, from the telemetry alone.
// A rule is a small function that yields what is wrong; the list at the end is the specification as far as spans show it.
import {
  AGGREGATION,
  DECISIONS,
  EVENT,
  GENOPS,
  REASON_CODES,
  REASON_EXTENSION,
  SPEC_VERSION,
} from './names.js';

/** What is read of a span; the SDK's ReadableSpan is one. */
export interface ExportedSpan {
  readonly name: string;
  spanContext(): { readonly traceId: string; readonly spanId: string };
  readonly attributes: Readonly<Record<string, unknown>>;
  /** In the order in which they happened. */
  readonly events: readonly {
    readonly name: string;
    readonly attributes?: Readonly<Record<string, unknown>> | undefined;
  }[];
  /** OpenTelemetry's codes: 0 unset, 1 OK, 2 error. */
  readonly status: { readonly code: number };
}

export interface Violation {
  readonly span: string;
  readonly spanId: string;
  readonly message: string;
}

export interface ComplianceReport {
  /** Spans that are governed operations; others are not looked at. */
  readonly operations: number;
  readonly violations: readonly Violation[];
  /** What may be said of these spans; undefined when not even the decisions are right. */
  readonly claim: 'GenOps v0.1' | 'GenOps v0.1 — partial' | undefined;
}

/** Governed operations are the spans whose `genops.operation.type` is one of `ai.*`. */
export function checkCompliance(spans: Iterable<ExportedSpan>): ComplianceReport {
  const violations: Violation[] = [];
  const seen = new Set<string>();
  let operations = 0;
  let partial = true;
  for (const span of spans) {
    if (!isOperation(span)) continue;
    operations++;
    const { traceId, spanId } = span.spanContext();
    const report = (message: string) => violations.push({ span: span.name, spanId, message });
    if (seen.has(traceId + spanId)) report('its identity (trace id, span id) is used twice');
    seen.add(traceId + spanId);
    for (const rule of IDENTITY_AND_DECISION) {
      for (const message of rule(span)) {
        partial = false;
        report(message);
      }
    }
    for (const rule of ACCOUNTING) for (const message of rule(span)) report(message);
  }
  const claim =
    violations.length === 0 ? 'GenOps v0.1' : partial ? ('GenOps v0.1 — partial' as const) : undefined;
  return { operations, violations, claim: operations === 0 ? undefined : claim };
}

type Rule = (span: ExportedSpan) => Iterable<string>;

function isOperation({ attributes }: ExportedSpan): boolean {
  const type = attributes[GENOPS.operation.type];
  return typeof type === 'string' && type !== AGGREGATION.operationType;
}

function* identifies({ attributes }: ExportedSpan): Iterable<string> {
  for (const key of [
    'genops.team',
    'genops.project',
    'genops.environment',
    GENOPS.operation.name,
    GENOPS.operation.type,
  ]) {
    if (typeof attributes[key] !== 'string' || attributes[key] === '') yield `${key} is missing`;
  }
  if (attributes[GENOPS.specVersion] !== SPEC_VERSION) yield `${GENOPS.specVersion} is not "${SPEC_VERSION}"`;
}

function* decides(span: ExportedSpan): Iterable<string> {
  yield* decision(span.attributes, 'the span');
  const decisions = span.events.filter(({ name }) => name === EVENT.policyEvaluated);
  if (decisions.length === 0) yield `no ${EVENT.policyEvaluated} event`;
  for (const { attributes = {} } of decisions) yield* decision(attributes, EVENT.policyEvaluated);
  const results = decisions.map(({ attributes }) => attributes?.[GENOPS.policy.result]);
  const result = span.attributes[GENOPS.policy.result];
  if (decisions.length > 0 && !results.includes(result)) yield `no decision says ${String(result)}`;
}

function* decision(attributes: Readonly<Record<string, unknown>>, where: string): Iterable<string> {
  const result = attributes[GENOPS.policy.result];
  const code = attributes[GENOPS.policy.reasonCode];
  if (!(DECISIONS as readonly unknown[]).includes(result)) {
    yield `${where}: ${GENOPS.policy.result} is ${String(result)}`;
  } else if (result === 'ALLOWED') {
    if (code !== undefined) yield `${where}: ${GENOPS.policy.reasonCode} on a decision that is ALLOWED`;
  } else if (!isReasonCode(code)) {
    yield `${where}: ${GENOPS.policy.reasonCode} is ${String(code)}`;
  }
}

export function isReasonCode(code: unknown): boolean {
  return typeof code === 'string' && (REASON_CODES.includes(code) || REASON_EXTENSION.test(code));
}

/** Decisions, then the reservation, then its reconciliation; nothing after a refusal. */
function* keepsOrder({ attributes, events }: ExportedSpan): Iterable<string> {
  const names = events.map(({ name }) => name);
  const reserved = names.indexOf(EVENT.reservation);
  const reconciled = names.indexOf(EVENT.reconciliation);
  const result = attributes[GENOPS.policy.result];
  if (names.filter((name) => name === EVENT.reservation).length > 1) yield 'reserved more than once';
  if (names.filter((name) => name === EVENT.reconciliation).length > 1) yield 'reconciled more than once';
  if (reconciled >= 0 && reserved < 0) yield 'reconciled without a reservation';
  if (reconciled >= 0 && reconciled < reserved) yield 'reconciled before it was reserved';
  if (reserved >= 0 && !names.slice(0, reserved).includes(EVENT.policyEvaluated)) {
    yield 'reserved before a policy was evaluated';
  }
  if (reserved < 0 && result !== 'BLOCKED' && result !== 'RATE_LIMITED') {
    yield `ran without a ${EVENT.reservation} event`;
  }
}

function* accounts({ attributes, events, status }: ExportedSpan): Iterable<string> {
  const reservation = events.find(({ name }) => name === EVENT.reservation)?.attributes;
  const reconciliation = events.find(({ name }) => name === EVENT.reconciliation)?.attributes;
  const { reserved, actual, unit, delta } = GENOPS.accounting;
  if (reservation !== undefined) {
    yield* amount(attributes, reserved, reservation);
    if (typeof attributes[unit] !== 'string' || attributes[unit] === '') yield `${unit} is missing`;
  }
  if (reconciliation !== undefined) {
    yield* amount(attributes, actual, reconciliation);
    const difference = Number(reconciliation[actual]) - Number(reconciliation[reserved]);
    if (delta in reconciliation && reconciliation[delta] !== difference) {
      yield `${delta} is not actual - reserved`;
    }
  } else if (reservation !== undefined && status.code === STATUS_OK) {
    yield `completed without a ${EVENT.reconciliation} event`;
  }
}

function* amount(
  attributes: Readonly<Record<string, unknown>>,
  key: string,
  event: Readonly<Record<string, unknown>>,
): Iterable<string> {
  const value = attributes[key];
  if (!(typeof value === 'number' && value >= 0)) yield `${key} is ${String(value)}`;
  else if (event[key] !== value) yield `${key} differs between span and event`;
}

function* keepsServiceLevel({ attributes }: ExportedSpan): Iterable<string> {
  const { targetMs, actualMs, met } = GENOPS.sla;
  if (!(met in attributes)) return;
  const kept = Number(attributes[actualMs]) <= Number(attributes[targetMs]);
  if (attributes[met] !== kept) yield `${met} contradicts ${actualMs} and ${targetMs}`;
}

const STATUS_OK = 1;

/** Broken, they rule out any claim. */
const IDENTITY_AND_DECISION: readonly Rule[] = [identifies, decides];
/** Broken, they leave a partial one. */
const ACCOUNTING: readonly Rule[] = [keepsOrder, accounts, keepsServiceLevel];
