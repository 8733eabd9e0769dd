// Run as a process of its own by `inhouse doctor`: does the embedded model run on the first GPU? Apart, because a driver
// that misbehaves can take the whole process down. Prints a `SelfTest` as JSON.
import { selfTest } from './doctor-runtime.js';

process.stdout.write(JSON.stringify(await selfTest({ device: 'cuda', precision: 'fp16' })));
