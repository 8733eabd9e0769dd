// The portable runner keeps the runner contract.
import { openPortable } from '../support/runners.js';
import { describeRunnerContract } from './runner-contract.js';

describeRunnerContract('portable runner', openPortable);
