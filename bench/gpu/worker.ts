// The process of one task: takes it from its parent, tells of results as they come, and of a failure.
import { runTask, type Task, type TaskResult } from './tasks.js';

export type Told = TaskResult | { readonly failure: string } | { readonly ended: true };

const tell = (told: Told) => new Promise<void>((resolve) => process.send!(told, () => resolve()));

process.once('message', async (task) => {
  try {
    await runTask(task as Task, (result) => void tell(result));
    await tell({ ended: true });
  } catch (error) {
    await tell({ failure: error instanceof Error ? error.message : String(error) });
  }
  process.disconnect();
});
