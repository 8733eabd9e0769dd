// The page that puts each promise of the checklist beside the tests and benchmarks that hold it. Pure; scripts/parity.mjs
// reads and writes.
import type { ChecklistRow } from './benchmark.js';
import type { GovernanceReport } from './report.js';
import type { Verdict } from './row.js';

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

/** Verdicts of a run, from the best to the worst. */
const VERDICTS: readonly Verdict[] = ['no target', 'met', 'acceptable', 'not met'];

/** The page in Markdown, and the ids that nothing covers. `result` is the last run of the benchmarks that was kept. */
export function parityPage(
  checklist: readonly ChecklistRow[],
  tests: TestsById,
  result?: GovernanceReport,
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
    aboutResult(checklist, result),
    ...Object.entries(FAMILIES).map(([letter, name]) => {
      const rows = checklist
        .filter(({ id }) => id.startsWith(letter))
        .map((row) => tableRow(row, tests, result));
      return `## ${name}\n\n| | Promise | Target | Held by |\n|---|---|---|---|\n${rows.join('\n')}`;
    }),
  ];
  return { text: `${parts.join('\n\n')}\n`, open };
}

function tableRow(
  { id, capability, target, benchmark }: ChecklistRow,
  tests: TestsById,
  result: GovernanceReport | undefined,
): string {
  const covers = benchmark ? [`benchmark \`${benchmark}\`: ${outcome(id, result)}`] : [];
  const byFile = new Map<string, string[]>();
  for (const { file, title } of tests.get(id) ?? []) {
    byFile.set(file, [...(byFile.get(file) ?? []), escaped(title)]);
  }
  for (const [file, titles] of byFile) {
    covers.push(`[${file.replace(/^test\//, '')}](../${file}): ${titles.join('; ')}`);
  }
  return `| ${id} | ${escaped(capability)} | ${escaped(target)} | ${covers.join('<br>') || 'open'} |`;
}

function aboutResult(checklist: readonly ChecklistRow[], result: GovernanceReport | undefined): string {
  if (result === undefined) return 'No result of the benchmarks is kept here: what they reach is not said.';
  const { machine, startedAt, effort } = result;
  const measured = checklist.filter(({ benchmark }) => benchmark).map(({ id }) => worst(id, result));
  const counts = VERDICTS.map(
    (verdict) => `${measured.filter((each) => each === verdict).length} ${verdict}`,
  );
  return (
    `The benchmarks' last result that is kept (\`bench/results/governance.json\`, ${effort}, ${startedAt.slice(0, 10)}, ` +
    `${machine.cpu}, ${machine.cores} cores), each promise by the worst of its rows: ${counts.join(', ')}.`
  );
}

/** What the rows of a promise came to, and the worst of them where not all are met. */
function outcome(id: string, result: GovernanceReport | undefined): string {
  const verdict = worst(id, result);
  if (verdict === undefined) return 'no result kept';
  if (verdict === 'met' || verdict === 'no target') return verdict;
  const rows = result!.rows.filter((row) => row.id === id);
  const missed = rows.filter((row) => row.verdict === verdict);
  const [{ name, ours, unit, target }] = missed as [(typeof rows)[number]];
  const figure = Number(ours.toPrecision(3));
  return `**${verdict}** in ${missed.length} of ${rows.length}: ${escaped(name)} ${figure} ${unit} (${target})`;
}

function worst(id: string, result: GovernanceReport | undefined): Verdict | undefined {
  const verdicts = result?.rows.filter((row) => row.id === id).map(({ verdict }) => verdict) ?? [];
  return VERDICTS.findLast((verdict) => verdicts.includes(verdict));
}

function escaped(text: string): string {
  return text.replace(/\s+/g, ' ').replace(/[|<>*_`\\]/g, '\\$&');
}
