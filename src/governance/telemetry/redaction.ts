// Keeps secrets out of spans and logs: what looks like a credential is replaced before anything leaves.
// It cannot know a secret without a mark; prompts and completions therefore do not leave at all unless asked for.
import { InhouseError } from '../../errors.js';

const REDACTED = '[REDACTED]';

/** Longest text of an error or a response that is let out, in characters. */
const MOST_CHARACTERS = 200;

const SECRET_NAME = String.raw`(?:[\w-]{0,40}(?:api[_-]?key|secret|password|passwd|credential|private[_-]?key|authorization)|(?:[\w-]{0,40}[_-])?token)`;

/** Each with one run of characters at the end, so that no text makes them slow. */
const PATTERNS: readonly (readonly [RegExp, string])[] = [
  [/\b(bearer|basic)\s+[\w.~+/=-]{4,}/gi, `$1 ${REDACTED}`],
  [new RegExp(String.raw`(["']?\b${SECRET_NAME}\b["']?\s*[:=]\s*)"[^"]*"?`, 'gi'), `$1"${REDACTED}"`],
  [new RegExp(String.raw`(["']?\b${SECRET_NAME}\b["']?\s*[:=]\s*)'[^']*'`, 'gi'), `$1'${REDACTED}'`],
  [
    new RegExp(String.raw`(\b${SECRET_NAME}\b\s*[:=]\s*)(?!["'\[])(?:bearer\s+)?[^\s,;&"'}\]]+`, 'gi'),
    `$1${REDACTED}`,
  ],
  [/\b(?:sk|pk|hf|ghp|gho|xox[abp])[-_][\w-]{8,}/g, REDACTED],
  [/\/\/[^/\s:@]{1,100}:[^/\s@]{1,200}@/g, `//${REDACTED}@`],
];

/** The text with bearer tokens, keys, passwords and the like replaced. */
export function redact(text: string): string {
  let clean = text;
  for (const [pattern, replacement] of PATTERNS) clean = clean.replace(pattern, replacement);
  return clean;
}

/** What of an error may be seen outside: its message, redacted and cut to 200 characters. */
export function errorText(error: unknown): string {
  return cut(redact(error instanceof Error ? error.message : String(error)));
}

/** A stable word for what kind of error it is: the code of ours, the class of others. */
export function errorType(error: unknown): string {
  if (error instanceof InhouseError) return error.code;
  return error instanceof Error ? error.name : typeof error;
}

function cut(text: string): string {
  return text.length > MOST_CHARACTERS ? `${text.slice(0, MOST_CHARACTERS)}…` : text;
}
