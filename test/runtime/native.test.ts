// The native runner keeps the runner contract.
import { describe } from 'vitest';
import { nativeMissing, openNative } from '../support/runners.js';
import { describeRunnerContract } from './runner-contract.js';

describe.skipIf(nativeMissing)('native runner', () => describeRunnerContract('native runner', openNative));
