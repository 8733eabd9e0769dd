// Records costs in the ledger of argv[2] as fast as it can, and says on stdout how many it was promised to be stored.
import { writeSync } from 'node:fs';
import { FileLedger } from '#inhouse/governance/ledger-file.js';

const [folder, costs] = process.argv.slice(2);
const ledger = await FileLedger.open(folder);
for (let i = 0; i < Number(costs); i++) {
  ledger.append({
    type: 'cost',
    operationId: `operation-${i}`,
    timeMs: Date.now(),
    costUsd: 0.001,
    model: 'gpt2',
    promptTokens: 1,
    completionTokens: 1,
    scopes: { team: 'search' },
  });
  if (i % 10 === 9) await new Promise(setImmediate);
  if (i % 100 === 99) {
    await ledger.flush();
    writeSync(1, `${i + 1}\n`);
  }
}
await new Promise(() => setInterval(() => {}, 1000)); // until it is killed
