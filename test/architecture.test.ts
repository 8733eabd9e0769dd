// Who may import whom: the table of docs/architecture.md, held against the imports of every source file.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

/** What the programs on top, the command line and the measurements, are made of. */
const ROOMS_BELOW = [
  'load',
  'model',
  'engine',
  'scoring',
  'graph',
  'runtime',
  'checkpoint',
  'tokenizer',
  'providers',
  'governance',
  'home',
  'package-root',
  'node-version',
  'options',
  'errors',
] as const;

/** By room: the rooms it may import from. A room is a folder of src/, 'bench', or a file of src/ by its name. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  errors: [],
  home: [],
  'package-root': ['errors'],
  'node-version': ['package-root'],
  options: ['errors'],
  checkpoint: ['package-root', 'errors'],
  tokenizer: ['errors'],
  graph: ['checkpoint', 'errors'],
  runtime: ['graph', 'checkpoint', 'package-root', 'errors'],
  engine: ['runtime', 'tokenizer', 'options', 'errors'],
  scoring: ['runtime', 'options', 'errors'],
  generation: ['engine', 'tokenizer', 'options', 'errors'],
  model: ['generation', 'engine', 'scoring', 'runtime', 'tokenizer', 'checkpoint', 'options', 'errors'],
  load: ['model', 'engine', 'runtime', 'graph', 'checkpoint', 'tokenizer', 'home', 'options', 'errors'],
  providers: ['model', 'generation', 'engine', 'options', 'errors'],
  governance: ['providers', 'node-version', 'options', 'errors'],
  telemetry: ['governance', 'options', 'errors'],
  index: [
    'load',
    'model',
    'generation',
    'engine',
    'scoring',
    'runtime',
    'graph',
    'checkpoint',
    'providers',
    'governance',
    'errors',
  ],
  cli: [...ROOMS_BELOW, 'bench', 'generation'],
  bench: [...ROOMS_BELOW, 'index'],
};

/** The files of another room that these rooms know, where it is not the whole room. */
const ONLY: Readonly<Record<string, readonly string[]>> = {
  // names of the graph's inputs and outputs
  'runtime -> graph': ['src/graph/io.ts'],
  // a queue between two loops
  'providers -> engine': ['src/engine/channel.ts', 'src/engine/options.ts', 'src/engine/sequence.ts'],
  // what a provider is and may be asked, none of those that there are
  'governance -> providers': [
    'src/providers/provider.ts',
    'src/providers/request.ts',
    'src/providers/completion-stream.ts',
  ],
};

interface Import {
  readonly from: string;
  readonly to: string;
}

const sources = ['src', 'bench'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name).split(sep).join('/')),
);

function importsOf(file: string): Import[] {
  const text = readFileSync(join(root, file), 'utf8');
  const specifiers = [...text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*'(\.[^']+)'/g)].map((match) => match[1]!);
  return specifiers.map((specifier) => ({
    from: file,
    to: relative(root, join(root, dirname(file), specifier))
      .split(sep)
      .join('/')
      .replace(/\.js$/, '.ts'),
  }));
}

function roomOf(file: string): string {
  const [top, second] = file.split('/');
  return top === 'bench' ? 'bench' : second!.replace(/\.ts$/, '');
}

describe('architecture', () => {
  const imports = sources.flatMap(importsOf);

  it('finds the sources and their imports', () => {
    expect(sources).toContain('src/index.ts');
    expect(imports).toContainEqual({ from: 'src/engine/refusals.ts', to: 'src/errors.ts' });
  });

  it('every file belongs to a room of the table', () => {
    expect([...new Set(sources.map(roomOf))].filter((room) => !(room in MAY_IMPORT))).toEqual([]);
  });

  it('rooms import only from the rooms they may', () => {
    const forbidden = imports.filter(({ from, to }) => {
      const [room, other] = [roomOf(from), roomOf(to)];
      if (room === other) return false;
      const only = ONLY[`${room} -> ${other}`];
      return !MAY_IMPORT[room]!.includes(other) || (only !== undefined && !only.includes(to));
    });
    expect(forbidden).toEqual([]);
  });

  it('every import names a file that exists', () => {
    const files = new Set(sources);
    expect(imports.filter(({ to }) => !files.has(to) && !to.endsWith('.json'))).toEqual([]);
  });
});
