// Refuses a call that cannot be served whoever serves it, before anything is decided, held or counted for it.
import { checkOptions, rule } from '../options.js';
import type { EmbedRequest, GenerationRequest } from '../providers/provider.js';
import { CALL_RULES, checkEmbedding, checkGeneration } from '../providers/request.js';
import type { GovernedCallOptions, GovernedMethod, GovernedRequest } from './call-facts.js';
import type { GovernanceParts } from './parts.js';

const GOVERNED_CALL_RULES = {
  ...CALL_RULES,
  attributes: rule.object,
  sessionId: rule.text,
  requestId: rule.text,
};

/** @throws InvalidInputError, the one that the provider would throw; it is counted, for it is no governed call yet */
export function checkCall(
  { metrics }: GovernanceParts,
  method: GovernedMethod,
  request: GovernedRequest,
  options: GovernedCallOptions | undefined,
): void {
  try {
    checkOptions(method, options, GOVERNED_CALL_RULES);
    if (method === 'embed') checkEmbedding(request as EmbedRequest, undefined);
    else checkGeneration(method, request as GenerationRequest, undefined);
  } catch (error) {
    metrics?.failure('governance', error);
    throw error;
  }
}
