// The page that puts each promise of the checklist beside the tests and benchmarks that hold it. Pure; scripts/parity.mjs
// reads and writes.
import type { ChecklistRow } from './benchmark.js';

interface NamedTest {
  readonly file: string;
  readonly title: string;
}

/** Tests by the id of the promise that they hold. */
export type TestsById = ReadonlyMap<string, readonly NamedTest[]>;

const FAMILIES = {
  C: 'Governance core',
  A: "Anyscale's benchmarks",
  T: "Together's benchmarks",
  G: 'Gateway',
};

/** A string that begins with ids and a colon: `C-01 C-02: ...`. */
const TITLE = /(['"`])((?:[A-Z]-\d+[ ,]+)*[A-Z]-\d+): ((?:\\.|(?!\1).)*)\1/gs;

/** @param files names and texts; a test names what it holds at the beginning of its title */
export function testsIn(files: Iterable<readonly [file: string, text: string]>): TestsById {
  const tests = new Map<string, NamedTest[]>();
  for (const [file, text] of files) {
    for (const [, , ids, title] of text.matchAll(TITLE)) {
      for (const id of ids!.split(/[ ,]+/)) {
        tests.set(id, [...(tests.get(id) ?? []), { file, title: title!.replace(/\\(.)/g, '$1') }]);
      }
    }
  }
  return tests;
}

/** The page in Markdown, and the ids that nothing covers. */
export function parityPage(
  checklist: readonly ChecklistRow[],
  tests: TestsById,
): { readonly text: string; readonly open: readonly string[] } {
  const open = checklist.filter(({ id, benchmark }) => !benchmark && !tests.has(id)).map(({ id }) => id);
  const measured = checklist.filter(({ benchmark }) => benchmark).length;
  const parts = [
    '# Parity',
    'What the systems that `inhouse` stands in for promise, or have published of themselves, and what holds it here. ' +
      'Targets are theirs. Made by `node scripts/parity.mjs` from `bench/governance/checklist.json`, the titles of ' +
      'the tests and the benchmarks; do not edit it by hand.',
    `${checklist.length} promises: ${measured} by benchmarks (\`inhouse bench governance\` prints the published ` +
      `number beside ours, with a verdict), ${checklist.length - measured - open.length} by tests. ` +
      (open.length === 0 ? 'None is open.' : `Open: ${open.join(', ')}.`),
    ...Object.entries(FAMILIES).map(([letter, name]) => {
      const rows = checklist.filter(({ id }) => id.startsWith(letter)).map((row) => tableRow(row, tests));
      return `## ${name}\n\n| | Promise | Target | Held by |\n|---|---|---|---|\n${rows.join('\n')}`;
    }),
  ];
  return { text: `${parts.join('\n\n')}\n`, open };
}

function tableRow({ id, capability, target, benchmark }: ChecklistRow, tests: TestsById): string {
  const covers = benchmark ? [`benchmark \`${benchmark}\``] : [];
  const byFile = new Map<string, string[]>();
  for (const { file, title } of tests.get(id) ?? []) {
    byFile.set(file, [...(byFile.get(file) ?? []), escaped(title)]);
  }
  for (const [file, titles] of byFile) {
    covers.push(`[${file.replace(/^test\//, '')}](../${file}): ${titles.join('; ')}`);
  }
  return `| ${id} | ${escaped(capability)} | ${escaped(target)} | ${covers.join('<br>') || 'open'} |`;
}

function escaped(text: string): string {
  return text.replace(/\s+/g, ' ').replace(/[|<>*_`\\]/g, '\\$&');
}
