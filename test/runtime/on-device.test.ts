// Runners whose rows are on a device keep the runner contract. Without a GPU, host memory stands for one: the graphs, the
// blocks of KV, the fixed buffers and the candidates are the same, and precision.test.ts covers the quantized precisions.
// INHOUSE_TEST_DEVICE=cuda runs this on a GPU, at every precision.
import { describe } from 'vitest';
import { nativeMissing, openOnDevice, testDevice } from '../support/runners.js';
import { describeRunnerContract } from './runner-contract.js';

const onGpu = testDevice.kind === 'cuda';
const precisions = onGpu ? (['fp32', 'fp16', 'int8', 'int4'] as const) : (['fp32', 'fp16'] as const);

describe.skipIf(nativeMissing)('on a device', () => {
  for (const precision of precisions) {
    describeRunnerContract(`runner at ${precision}`, openOnDevice(precision));
  }
});
