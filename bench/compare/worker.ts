// The process that measures: takes one task, answers once, ends. It starts nothing by itself and ends with its parent.
import { InhouseError } from '../../src/errors.js';
import { measureQuality, type QualitySample, type QualityTask } from './quality.js';
import { measureSpeed, type SpeedSample, type SpeedTask } from './speed.js';

export type Task = SpeedTask | QualityTask;

export type Answer =
  | { readonly ok: true; readonly sample: SpeedSample | QualitySample }
  | { readonly ok: false; readonly message: string };

process.on('SIGINT', () => {}); // a Ctrl-C reaches the whole group; the parent decides
process.on('disconnect', () => process.exit());
process.once('message', async (task: Task) => {
  const answer = await answerTo(task);
  process.send!(answer, () => process.disconnect());
});

async function answerTo(task: Task): Promise<Answer> {
  try {
    return { ok: true, sample: await (task.kind === 'speed' ? measureSpeed(task) : measureQuality(task)) };
  } catch (error) {
    const code = error instanceof InhouseError ? ` [${error.code}]` : '';
    return { ok: false, message: `${(error as Error).message}${code}` };
  }
}
