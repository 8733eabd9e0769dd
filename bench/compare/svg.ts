// The charts of the report as SVG text: a scatter of points with labels, and horizontal bars. Pure.
// Colours come from the page's style sheet, which knows light from dark.

export interface ScatterPoint {
  readonly label: string;
  readonly x: number;
  /** How far x varied: drawn as a line through the point. */
  readonly xRange: readonly [min: number, max: number];
  readonly y: number;
  /** Drawn to stand out. */
  readonly chosen: boolean;
}

export interface Bar {
  readonly label: string;
  readonly value: number;
  /** What is written at its end. */
  readonly text: string;
  readonly chosen: boolean;
}

export interface ChartText {
  readonly id: string;
  readonly title: string;
  /** The chart in words, for who cannot see it. */
  readonly description: string;
}

const WIDTH = 640;
/** Of the labels' font, about. */
const CHARACTER_WIDTH = 7.5;
const LINE_HEIGHT = 14;

export function scatter(
  text: ChartText,
  axes: { readonly x: string; readonly y: string },
  points: readonly ScatterPoint[],
): string {
  const height = 360;
  const [left, right, top, bottom] = [64, WIDTH - 24, 24, height - 52];
  const xs = axis([0, ...points.flatMap(({ xRange }) => xRange)]);
  const ys = axis([0, ...points.map(({ y }) => y)]);
  const across = scale(xs, left, right);
  const down = scale(ys, bottom, top);
  const labels = apart(
    points.map(({ label, x, y }) => {
      const width = CHARACTER_WIDTH * label.length;
      const leftwards = across(x) > (left + right) / 2;
      const below = down(y) < (top + bottom) / 2;
      return {
        label,
        x: across(x) - (leftwards ? width : 0),
        y: down(y) + (below ? 20 : -10),
        width,
        step: below ? LINE_HEIGHT : -LINE_HEIGHT,
      };
    }),
  );
  return svg(text, height, [
    ...xs.ticks.flatMap((tick) => [
      line('grid', across(tick), top, across(tick), bottom),
      words(across(tick), bottom + 18, 'middle', number(tick, xs.step)),
    ]),
    ...ys.ticks.flatMap((tick) => [
      line('grid', left, down(tick), right, down(tick)),
      words(left - 8, down(tick) + 4, 'end', number(tick, ys.step)),
    ]),
    words((left + right) / 2, height - 10, 'middle', axes.x),
    `<g transform="rotate(-90 16 ${round((top + bottom) / 2)})">${words(16, (top + bottom) / 2, 'middle', axes.y)}</g>`,
    ...points.map(({ xRange: [min, max], y, chosen }) =>
      line(chosen ? 'range chosen' : 'range', across(min), down(y), across(max), down(y)),
    ),
    ...points.map(
      ({ x, y, chosen }) =>
        `<circle class="${mark(chosen)}" cx="${round(across(x))}" cy="${round(down(y))}" r="6"/>`,
    ),
    ...labels.map(({ label, x, y }) => words(x, y, 'start', label, 'name')),
  ]);
}

export function bars(text: ChartText, items: readonly Bar[]): string {
  const rowHeight = 30;
  const left = 24 + CHARACTER_WIDTH * Math.max(4, ...items.map(({ label }) => label.length));
  const right = WIDTH - 150; // room for what is written at the end of the longest
  const most = Math.max(...items.map(({ value }) => value), Number.MIN_VALUE);
  return svg(
    text,
    rowHeight * items.length + 12,
    items.flatMap(({ label, value, text: end, chosen }, i) => {
      const y = 6 + i * rowHeight;
      const length = Math.max(1, (value / most) * (right - left));
      return [
        words(left - 10, y + 19, 'end', label, 'name'),
        `<rect class="${mark(chosen)}" x="${round(left)}" y="${y + 5}" width="${round(length)}" height="20" rx="3"/>`,
        words(left + length + 8, y + 19, 'start', end),
      ];
    }),
  );
}

/** Safe in text and in attributes. */
export function escapeXml(text: string): string {
  const escapes: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  };
  return text
    .replace(/[&<>"']/g, (character) => escapes[character]!)
    .replace(/(?![\t\n\r])\p{Cc}/gu, '\ufffd'); // control characters have no form at all
}

function svg({ id, title, description }: ChartText, height: number, parts: readonly string[]): string {
  return [
    `<svg role="img" aria-labelledby="${id}-title ${id}-description" viewBox="0 0 ${WIDTH} ${height}">`,
    `<title id="${id}-title">${escapeXml(title)}</title>`,
    `<desc id="${id}-description">${escapeXml(description)}</desc>`,
    ...parts,
    '</svg>',
  ].join('\n');
}

interface Axis {
  readonly from: number;
  readonly to: number;
  readonly step: number;
  readonly ticks: readonly number[];
}

/** Round numbers that enclose the values: steps of 1, 2 or 5 times a power of ten, four to ten of them. */
export function axis(values: readonly number[]): Axis {
  const low = Math.min(...values);
  const high = Math.max(...values);
  const range = high - low || 1;
  const power = 10 ** Math.floor(Math.log10(range / 4));
  const step = [1, 2, 5].map((digit) => digit * power).findLast((one) => one <= range / 4)!;
  const first = Math.floor(low / step);
  const last = Math.max(first + 1, Math.ceil(high / step));
  const ticks = Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
  return { from: first * step, to: last * step, step, ticks };
}

function scale({ from, to }: Axis, begin: number, end: number): (value: number) => number {
  return (value) => begin + ((value - from) / (to - from)) * (end - begin);
}

interface Label {
  readonly label: string;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  /** The way to move it: towards the middle of the chart, where there is room. */
  readonly step: number;
}

/** Moves labels until none lies on another. */
function apart(labels: readonly Label[]): readonly Label[] {
  const placed: Label[] = [];
  for (const label of labels) {
    let { y } = label;
    const covered = (one: Label) =>
      one.x < label.x + label.width && label.x < one.x + one.width && Math.abs(one.y - y) < LINE_HEIGHT;
    while (placed.some(covered)) y += label.step;
    placed.push({ ...label, y });
  }
  return placed;
}

function mark(chosen: boolean): string {
  return chosen ? 'mark chosen' : 'mark';
}

function line(style: string, x1: number, y1: number, x2: number, y2: number): string {
  return `<line class="${style}" x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}"/>`;
}

function words(x: number, y: number, anchor: string, text: string, style = 'label'): string {
  const place = `x="${round(x)}" y="${round(y)}" text-anchor="${anchor}"`;
  return `<text class="${style}" ${place}>${escapeXml(text)}</text>`;
}

/** As many digits as the step needs. */
function number(value: number, step: number): string {
  return value.toFixed(Math.max(0, -Math.floor(Math.log10(step))));
}

function round(value: number): string {
  return String(Math.round(value * 10) / 10);
}
