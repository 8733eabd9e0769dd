// Run by cuda.test.ts as a process whose CUDA libraries are the fake ones: drives native runners, and tells how it went.
import { writeFileSync } from 'node:fs';
import { nativeAddon, openNativeRunner } from '#inhouse/runtime/native.js';

const { task, options, cpuOptions, sampling, changes } = JSON.parse(process.argv[2]);
const outcome = (promise) =>
  promise.then(
    (value) => value ?? 'done',
    ({ name, code, message }) => ({ name, code, message }),
  );
const device = { kind: 'cuda', id: 0, arenaStrategy: 'same-as-requested', tf32: false, cudaGraphs: false };
const open = (more) => openNativeRunner({ ...options, device: { ...device, ...changes, ...more } });
const begin = async (runner, row, length = 5) => {
  await runner.openRow(row, { capacity: 400, sampling, prompt: [], output: [] });
  await runner.prefill(row, Array(length).fill(row), { sample: true });
};
const tell = (result) => console.log(JSON.stringify(result));

/** Decode steps over three, two and one rows, one growth of the KV blocks, and everything else once. */
async function exercise(runner) {
  for (const row of [0, 1, 2]) await begin(runner, row);
  await runner.decode(3, 140);
  await runner.decode(2, 10);
  await runner.decode(1, 10);
  await runner.score([1, 2, 3, 4]);
  await runner.embed([1, 2, 3], 'mean');
  await runner.closeRow(2);
  await runner.moveRow(1, 2);
  return runner.statistics();
}

switch (task) {
  case 'open': {
    const opening = await outcome(open().then((runner) => runner.dispose()));
    const cpu = await openNativeRunner(cpuOptions);
    await begin(cpu, 0);
    tell({ opening, cpu: (await cpu.decode(1, 3))[0].length });
    await cpu.dispose();
    break;
  }
  case 'exercise': {
    const runner = await open();
    const statistics = await exercise(runner);
    await runner.dispose();
    tell({ info: runner.info, statistics });
    break;
  }
  case 'two at once': {
    const runners = await Promise.all([open(), open()]);
    const statistics = await Promise.all(runners.map(exercise));
    await Promise.all(runners.map((runner) => runner.dispose()));
    tell(statistics.map(({ device }) => device.cudaGraphs));
    break;
  }
  case 'run out of memory': {
    const runner = await open();
    await begin(runner, 0);
    const before = await runner.statistics();
    await runner.openRow(1, { capacity: 400, sampling, prompt: [], output: [] });
    const failed = await outcome(runner.prefill(1, Array(400).fill(1), { sample: true }));
    const after = await runner.statistics();
    const goesOn = (await runner.decode(1, 20))[0].length;
    await runner.dispose();
    tell({ before, failed, after, goesOn });
    break;
  }
  case 'lose the device': {
    const [runner, cpu] = await Promise.all([open(), openNativeRunner(cpuOptions)]);
    for (const row of [0, 1]) await begin(runner, row);
    await runner.decode(2, 5);
    writeFileSync(process.env.FAKE_CUDA_LOST, '');
    const calls = {
      decode: () => runner.decode(2, 1),
      prefill: () => runner.prefill(0, [1]),
      score: () => runner.score([1, 2, 3]),
      moveRow: () => runner.moveRow(1, 3),
    };
    const outcomes = {};
    for (const [name, call] of Object.entries(calls)) outcomes[name] = await outcome(call());
    const disposal = await outcome(runner.dispose());
    await begin(cpu, 0);
    tell({ outcomes, disposal, cpu: (await cpu.decode(1, 3))[0].length });
    await cpu.dispose();
    break;
  }
  case 'bandwidth': {
    const { addon } = nativeAddon();
    tell({
      first: await addon.deviceCopyBandwidth(0, 2 ** 20, 3),
      missing: await outcome(addon.deviceCopyBandwidth(7, 2 ** 20, 3)),
      tooLarge: await outcome(addon.deviceCopyBandwidth(0, 2 ** 40, 3)),
    });
    break;
  }
}
