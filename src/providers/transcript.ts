// How a conversation becomes a prompt for a model that was never taught to converse: a plain transcript, the format of
// `inhouse chat`. A system message is text of its own, a user's turn begins with "You:", the model's with "Reply:".
import type { Message } from './provider.js';

/** Ends the reply: here the model begins to write the user's next turn. */
export const TRANSCRIPT_STOP = '\nYou:';

/** Usage counts the tokens of this text. The reply usually begins with a space, as words in a text do. */
export function transcript(messages: readonly Message[]): string {
  const turns = messages.map(({ role, content }) => {
    const text = content.trim();
    if (role === 'system') return `${text}\n\n`;
    return role === 'user' ? `You: ${text}\n` : `Reply: ${text}\n`;
  });
  return `${turns.join('')}Reply:`;
}
