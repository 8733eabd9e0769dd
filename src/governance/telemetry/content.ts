// Prompts and completions as span attributes, where the application has asked for them: always redacted first.
import { type Completion, type GenerationRequest, isChat } from '../../providers/provider.js';
import { atOnce } from '../callbacks.js';
import { redact } from './redaction.js';

/** `true`: with credentials redacted. A function: what it makes of the text after that. */
export type ContentCapture = boolean | ((text: string) => string);

/** The prompt in the form of `gen_ai.input.messages`; undefined where it is token ids. */
export function inputMessages(request: GenerationRequest, capture: ContentCapture): string | undefined {
  if (isChat(request)) {
    return JSON.stringify(request.messages.map(({ role, content }) => message(role, content, capture)));
  }
  return typeof request.prompt === 'string'
    ? JSON.stringify([message('user', request.prompt, capture)])
    : undefined;
}

/** The completion in the form of `gen_ai.output.messages`. */
export function outputMessages(completion: Completion, capture: ContentCapture): string {
  return JSON.stringify(
    completion.choices.map(({ text, finishReason }) => ({
      ...message('assistant', text, capture),
      finish_reason: finishReason,
    })),
  );
}

function message(role: string, text: string, capture: ContentCapture) {
  const clean = redact(text);
  const content = typeof capture === 'function' ? atOnce(capture(clean)) : clean;
  return { role, parts: [{ type: 'text', content }] };
}
