// Memory, processor and age of this process as metrics, read when the SDK collects.
import type { Meter } from '@opentelemetry/api';
import { observable } from '../governance/telemetry/instruments.js';
import { PROCESS_METRICS } from '../governance/telemetry/metric-names.js';

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
