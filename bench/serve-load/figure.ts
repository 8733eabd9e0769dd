// A figure that a measurement is for, held against its target.

export interface Figure {
  readonly name: string;
  /** Null where there was nothing to compute it from. */
  readonly value: number | null;
  readonly target: Target;
  readonly met: boolean | null;
  /** What it was computed from. */
  readonly detail: Readonly<Record<string, number | null>>;
}

export type Target = { readonly atLeast: number } | { readonly atMost: number };

/** NaN and infinities, which come of dividing by what was not measured, become null. */
export function figure(
  name: string,
  value: number,
  target: Target,
  detail: Readonly<Record<string, number>>,
): Figure {
  const known = Number.isFinite(value);
  const met = 'atLeast' in target ? value >= target.atLeast : value <= target.atMost;
  return {
    name,
    value: known ? value : null,
    target,
    met: known ? met : null,
    detail: Object.fromEntries(
      Object.entries(detail).map(([key, number]) => [key, Number.isFinite(number) ? number : null]),
    ),
  };
}
