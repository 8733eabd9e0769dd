// What of a request goes on its span: the settings, never the text. The text is content.ts, and off by default.
import type { Span } from '@opentelemetry/api';
import type { EmbedRequest, GenerationRequest, SamplingRequest } from '../../providers/provider.js';
import { REQUEST_KEYS, REQUEST_STOP, REQUEST_STREAM } from './names.js';

/** Attributes as they are collected for a span. */
export type SpanAttributes = Record<string, string | number | boolean | string[] | number[] | boolean[]>;

const KEYS: ReadonlyMap<string, readonly (string | undefined)[]> = new Map(Object.entries(REQUEST_KEYS));

/** Sets the settings that were given, under GenOps' and the GenAI conventions' keys. */
export function describeRequest(
  span: Span,
  request: GenerationRequest | EmbedRequest,
  stream: boolean,
): void {
  const settings: Partial<SamplingRequest> = request;
  for (const name in settings) {
    const value = settings[name as keyof typeof settings];
    const keys = value === undefined ? undefined : KEYS.get(name);
    if (keys === undefined) continue;
    for (const key of keys) if (key !== undefined) span.setAttribute(key, value as SpanAttributes[string]);
  }
  const { stop } = settings;
  if (stop !== undefined) {
    for (const key of REQUEST_STOP) span.setAttribute(key, typeof stop === 'string' ? [stop] : [...stop]);
  }
  if (stream) for (const key of REQUEST_STREAM) span.setAttribute(key, true);
}
