// The native runner keeps the runner contract.
import { describe } from 'vitest';
import { openNative, skipped } from '../native/support.js';
import { describeRunnerContract } from './runner-contract.js';

describe.skipIf(skipped)('native runner', () => describeRunnerContract('native runner', openNative));
