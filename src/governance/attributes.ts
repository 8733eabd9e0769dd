// What is attributed to a call (team, project, customer, ...): names, legal values, and one map built from many.
// Where the values come from, and which wins, is attribution.ts.
import { InvalidInputError } from '../errors.js';
import { all } from '../options.js';

/** What OpenTelemetry can carry. */
export type AttributeValue = string | number | boolean | readonly (string | number | boolean)[];

/** As callers give them: the named ones, and any other key. Null and undefined count as not given. */
export type AttributeInput = {
  readonly [Name in KnownAttribute]?: AttributeValue | null | undefined;
} & { readonly [custom: string]: AttributeValue | null | undefined };

/** As calls carry them: checked, frozen, nothing absent. Objects are shared between calls. */
export type Attributes = { readonly [Name in KnownAttribute]?: AttributeValue } & {
  readonly [custom: string]: AttributeValue;
};

/** The attributes with a meaning of their own, and the words telemetry uses for them after `genops.`. */
const WIRE_WORDS = {
  team: 'team',
  project: 'project',
  environment: 'environment',
  customerId: 'customer_id',
  customer: 'customer',
  customerTier: 'customer_tier',
  costCenter: 'cost_center',
  feature: 'feature',
  userId: 'user_id',
  sessionId: 'session_id',
  experimentId: 'experiment_id',
  modelVersion: 'model_version',
  datasetId: 'dataset_id',
  trainingJobId: 'training_job_id',
  requestId: 'request_id',
  workflowId: 'workflow_id',
  tenantId: 'tenant_id',
} as const;

export type KnownAttribute = keyof typeof WIRE_WORDS;

export const KNOWN_ATTRIBUTES = Object.keys(WIRE_WORDS) as readonly KnownAttribute[];

const wireWords = new Map<string, string>(Object.entries(WIRE_WORDS));
const nameOfWireWord = new Map<string, string>(
  Object.entries(WIRE_WORDS).map(([name, word]) => [word, name]),
);

/** What follows `genops.` on a span: `customerId` is `customer_id`, a custom key is itself. */
export function attributeWireKey(name: string): string {
  return wireWords.get(name) ?? name;
}

/** The other way round: `customer_id` is `customerId`. */
export function attributeName(key: string): string {
  return nameOfWireWord.get(key) ?? key;
}

/**
 * Checked, frozen copy: absent values dropped, `customer_id` and its like renamed to `customerId`.
 * @throws InvalidInputError `INHOUSE_INVALID_OPTION` for a value that telemetry cannot carry, or an unusable key
 */
export function attributesFrom(input: AttributeInput): Attributes {
  const attributes: Record<string, AttributeValue> = {};
  copyAttributes(input, attributes);
  return Object.freeze(attributes);
}

/** As `attributesFrom`, over what `target` holds already. */
export function copyAttributes(input: AttributeInput, target: Record<string, AttributeValue>): void {
  for (const key of Object.keys(input)) {
    const value = input[key];
    if (value === null || value === undefined) continue;
    if (key === '' || key === '__proto__') throw refused(key, 'a key that is not empty and not "__proto__"');
    target[attributeName(key)] = typeof value === 'string' ? value : checked(key, value);
  }
}

function checked(key: string, value: unknown): AttributeValue {
  if (isScalar(value)) return value;
  if (Array.isArray(value) && all(value, (item) => isScalar(item) && typeof item === typeof value[0])) {
    return Object.freeze([...value]);
  }
  throw refused(key, 'a string, a finite number, a boolean, or an array of one of these');
}

function isScalar(value: unknown): value is string | number | boolean {
  return typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value);
}

function refused(key: string, expected: string): InvalidInputError {
  const message = `Attribute ${JSON.stringify(key)} cannot be recorded; it needs ${expected}.`;
  return new InvalidInputError('INHOUSE_INVALID_OPTION', message, { details: { option: key, expected } });
}
