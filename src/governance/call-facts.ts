// What follows from a call's request and options alone: what is asked for, who asks, who is charged.

import {
  type CallOptions,
  type EmbedRequest,
  type GenerationRequest,
  isChat,
  isEmbed,
} from '../providers/provider.js';
import { type AttributeInput, type Attributes, type AttributeValue, copyAttributes } from './attributes.js';
import type { BudgetScopes } from './budget-definition.js';
import type { GovernanceParts } from './parts.js';
import type { PricedOperation } from './pricing/cost.js';
import type { Operation } from './telemetry/names.js';

/** What a governed call may say beside what every call may. `timeoutMs` is for each attempt. */
export interface GovernedCallOptions extends CallOptions {
  /** Take precedence over all other attributes, for this call. */
  readonly attributes?: AttributeInput | undefined;
  /** An open session that the call counts in. */
  readonly sessionId?: string | undefined;
  /** Default: a new UUID. */
  readonly requestId?: string | undefined;
}

export type GovernedRequest = GenerationRequest | EmbedRequest;

/** Of a provider. */
export type GovernedMethod = 'complete' | 'chat' | 'stream' | 'embed';

export const PRICED_AS: Readonly<Record<Operation, PricedOperation>> = {
  complete: 'completion',
  chat: 'chat',
  embed: 'embedding',
};

export function operationOf(method: GovernedMethod, request: GovernedRequest): Operation {
  if (method !== 'stream') return method;
  return isChat(request) ? 'chat' : 'complete';
}

/**
 * A session's attributes count as the call's own, below those that it names itself; then a tenant's cost centre.
 * @throws InvalidInputError for attributes that cannot be recorded
 */
export function attributesOf(
  { attribution, sessions, tenants }: GovernanceParts,
  options: GovernedCallOptions | undefined,
): Attributes {
  const sessionId = options?.sessionId;
  let own = options?.attributes;
  if (sessionId !== undefined) {
    own = joined(sessions.get(sessionId)?.governanceAttributes as AttributeInput, own, { sessionId });
  }
  const attributes = attribution.resolve(own);
  const costCenter = tenants.settings(customerOf(attributes))?.costCenter;
  return costCenter === undefined ? attributes : attribution.resolve(joined({ costCenter }, own));
}

/** Not spread: what the one leaves out as undefined, or spells in another way, must not displace what the other says. */
function joined(...lowestFirst: readonly (AttributeInput | undefined)[]): AttributeInput {
  const all: Record<string, AttributeValue> = {};
  for (const each of lowestFirst) if (each) copyAttributes(each, all);
  return all;
}

export function scopesOf(provider: string, attributes: Attributes): BudgetScopes {
  const { team, project } = attributes;
  return { provider, team: textOf(team), project: textOf(project), customer: customerOf(attributes) };
}

/** An empty id is no customer. */
function customerOf({ customerId }: Attributes): string | undefined {
  return textOf(customerId) || undefined;
}

/** All text that a request brings; undefined where it brings token ids. */
export function contentOf(request: GovernedRequest): string | undefined {
  if (isEmbed(request)) return typeof request.input === 'string' ? request.input : request.input.join('\n');
  if (isChat(request)) return request.messages.map(({ content }) => content).join('\n');
  return typeof request.prompt === 'string' ? request.prompt : undefined;
}

function textOf(value: AttributeValue | undefined): string | undefined {
  return value === undefined ? undefined : String(value);
}
