// How fast this machine reads memory: the yardstick of a decode step.

/**
 * Bytes per second that `threads` threads together read from memory that no cache holds; undefined where that cannot
 * be measured. A loop in JavaScript reads far below what memory gives, and would flatter every share computed from it.
 */
export type MeasureReadBandwidth = (threads: number) => Promise<number | undefined>;

/** Needs the native addon, which does not offer it in this release. */
export const measureReadBandwidth: MeasureReadBandwidth = async () => undefined;
