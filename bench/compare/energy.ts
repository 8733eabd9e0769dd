// Energy that the processor packages have used, where Linux exposes their counters (powercap, RAPL). The counters are the
// machine's: whatever else runs is in them too.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

interface Package {
  readonly file: string;
  /** The counter begins again after this many microjoules. */
  readonly rangeMicrojoules: number;
}

/** Microjoules of each package when it was read. */
export type EnergyReading = readonly number[];

export class EnergyMeter {
  readonly #packages: readonly Package[];

  private constructor(packages: readonly Package[]) {
    this.#packages = packages;
  }

  /** A meter; or why there is none. */
  static open(root = '/sys/class/powercap'): EnergyMeter | { readonly reason: string } {
    if (process.platform !== 'linux')
      return { reason: `${process.platform} has no counters that are read here` };
    try {
      const zones = readdirSync(root).filter((name) => /^intel-rapl:\d+$/.test(name)); // AMD's have this name too
      if (zones.length === 0) return { reason: `${root} lists no processor package` };
      const meter = new EnergyMeter(
        zones.map((zone) => ({
          file: join(root, zone, 'energy_uj'),
          rangeMicrojoules: readNumber(join(root, zone, 'max_energy_range_uj')),
        })),
      );
      meter.read();
      return meter;
    } catch (error) {
      return { reason: (error as Error).message }; // no such folder, or for the administrator only
    }
  }

  read(): EnergyReading {
    return this.#packages.map(({ file }) => readNumber(file));
  }

  /** Of all packages; each counter may have begun again once. */
  joulesSince(before: EnergyReading): number {
    const now = this.read();
    const used = this.#packages.map(({ rangeMicrojoules }, i) => {
      const difference = now[i]! - before[i]!;
      return difference < 0 ? difference + rangeMicrojoules : difference;
    });
    return used.reduce((sum, microjoules) => sum + microjoules, 0) / 1e6;
  }
}

function readNumber(file: string): number {
  return Number(readFileSync(file, 'utf8'));
}
