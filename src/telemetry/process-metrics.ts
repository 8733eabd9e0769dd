// Memory, processor and age of this process, and GPUs, as metrics, read when the SDK collects.
import type { Meter } from '@opentelemetry/api';
import type { GpuReading } from '../governance/machine.js';
import { observable } from '../governance/telemetry/instruments.js';
import { GPU_METRICS, PROCESS_METRICS } from '../governance/telemetry/metric-names.js';

export function observeProcess(meter: Meter): void {
  observable(meter, PROCESS_METRICS.memory).addCallback((result) =>
    result.observe(process.memoryUsage.rss()),
  );
  observable(meter, PROCESS_METRICS.uptime).addCallback((result) => result.observe(process.uptime()));
  let [cpu, atMs] = [process.cpuUsage(), performance.now()];
  observable(meter, PROCESS_METRICS.cpu).addCallback((result) => {
    const { user, system } = process.cpuUsage(cpu); // microseconds since the last reading
    const now = performance.now();
    result.observe((user + system) / 10 / Math.max(now - atMs, 1));
    [cpu, atMs] = [process.cpuUsage(), now];
  });
}

/** One reading of the GPUs serves all their metrics. */
export function observeGpus(meter: Meter, read: () => Promise<readonly GpuReading[]>): void {
  const used = observable(meter, GPU_METRICS.used);
  const available = observable(meter, GPU_METRICS.available);
  const utilization = observable(meter, GPU_METRICS.utilization);
  const temperature = observable(meter, GPU_METRICS.temperature);
  meter.addBatchObservableCallback(
    async (result) => {
      for (const [index, gpu] of (await read()).entries()) {
        const labels = { gpu_id: String(index) };
        const { usedBytes, totalBytes, utilisationPercent, temperatureCelsius } = gpu;
        result.observe(used, usedBytes, labels);
        result.observe(available, totalBytes - usedBytes, labels);
        if (utilisationPercent !== undefined) result.observe(utilization, utilisationPercent, labels);
        if (temperatureCelsius !== undefined) result.observe(temperature, temperatureCelsius, labels);
      }
    },
    [used, available, utilization, temperature],
  );
}
