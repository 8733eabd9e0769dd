import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { BudgetStatus } from '#inhouse/governance/budget-report.js';
import { govern } from '#inhouse/governance/governed-provider.js';
import { FileLedger } from '#inhouse/governance/ledger-file.js';
import type { SetupValidation } from '#inhouse/governance/validate.js';
import { stub } from '#inhouse/providers/stub.js';
import { cliSandbox } from './cli-process.js';

const { run, start, folder } = cliSandbox();

/** A hub that takes a request and never answers. */
async function silentHub() {
  const server = createServer();
  const asked = once(server, 'request');
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

const json = async (...args: string[]) => {
  const { code, stdout, stderr } = await run(['governance', ...args, '--json']);
  return { code, stderr, value: stdout === '' ? undefined : JSON.parse(stdout) };
};
const config = (name: string, content: unknown) => {
  const file = join(folder, name);
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  return file;
};

describe('inhouse governance validate', () => {
  it('C-100 D-28: ends with 0 for the embedded model, which it tries', async () => {
    const file = config('good.json', { governancePolicy: 'enforced', dailyBudgetLimit: 5 });
    const { code, value } = await json('validate', '--config', file);
    const result = value as SetupValidation;
    expect({ code, errors: result.errors }).toEqual({ code: 0, errors: [] });
    expect(result).toMatchObject({
      success: true,
      facts: { models: ['embedded'], configuration: { dailyBudgetLimit: 5 }, model: { id: 'embedded' } },
    });
  });

  it.each([
    [{ dailyBudgetLimit: -1 }, 'INVALID_BUDGET'],
    [{ dailyBudgetLimit: 'a lot' }, 'INVALID_BUDGET_TYPE'],
    [{ governancePolicy: 'nice' }, 'INVALID_GOVERNANCE_POLICY'],
    [{ budget: 5 }, 'UNKNOWN_OPTION'],
  ])('C-97 C-100: ends with 1 for %j', async (options, code) => {
    const { code: exit, value } = await json('validate', '--config', config('bad.json', options));
    expect(exit).toBe(1);
    expect((value as SetupValidation).issues).toContainEqual(
      expect.objectContaining({ code, level: 'error' }),
    );
  });

  it('an interrupt ends with 130, while the model loads too, and reports nothing', async () => {
    const hub = await silentHub();
    const process = start(['governance', 'validate', '--model', 'gpt2'], { HF_ENDPOINT: hub.url });
    await hub.asked;
    process.child.kill('SIGINT');
    expect(await process.ended).toMatchObject({ code: 130, stdout: '' });
  });

  it('C-97: weights that are missing are a finding', async () => {
    const { code, value } = await json('validate', '--model', './no-such-folder', '--offline');
    expect(code).toBe(1);
    expect((value as SetupValidation).issues).toContainEqual(
      expect.objectContaining({ category: 'models', level: 'error' }),
    );
  });

  it('C-98: a secret in the configuration is printed nowhere', async () => {
    const secret = 'sk-abcdef0123456789';
    const options = { attributes: { team: secret }, apiKey: secret, tenants: { [secret]: {} }, x: [secret] };
    const { stdout, stderr } = await run([
      'governance',
      'validate',
      '--config',
      config('secret.json', options),
    ]);
    const all = await run(['governance', 'validate', '--json', '--config', config('secret.json', options)]);
    expect(stdout + stderr + all.stdout + all.stderr).not.toContain(secret);
  });
});

describe('inhouse governance cost', () => {
  it('C-99: estimates', async () => {
    const { value } = await json('cost', 'estimate', 'gpt2', '--input-tokens', '10', '--output-tokens', '10');
    expect(value).toMatchObject({ model: 'gpt2', totalUsd: expect.closeTo(3e-7, 18) });
  });

  it('C-99: compares, recommends, projects and lists', async () => {
    const compared = await json('cost', 'compare', 'gpt2-xl', 'gpt2');
    expect(compared.value.map(({ model }: { model: string }) => model)).toEqual(['gpt2', 'gpt2-xl']);
    const recommended = await json('cost', 'recommend', 'simple', '--provider', 'gpt2');
    expect(recommended.value.recommendedModel).toBe('distilgpt2');
    const analyzed = await json('cost', 'analyze', 'gpt2', '--operations', '10', '--days', '7');
    expect(analyzed.value.monthlyCost).toBeCloseTo(7 * analyzed.value.dailyCost, 15);
    const { stdout } = await run(['governance', 'cost', 'models', '--provider', 'gpt2']);
    expect(stdout).toMatch(/^gpt2-xl +gpt2 +premium/m);
  });

  it('C-99: a wrong word is a usage error', async () => {
    const { code, stderr } = await run(['governance', 'cost', 'recommend', 'hard']);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('complexity') });
  });
});

describe('inhouse governance policy', () => {
  it('C-99: registers policies in a file, replaces them by name, and tries them', async () => {
    const file = join(folder, 'policies.json');
    const register = (maxCost: string) =>
      run(['governance', 'policy', 'register', 'cost_limit', '--config', file, '--conditions', maxCost]);
    expect((await register('{"maxCost": 1}')).code).toBe(0);
    expect((await register('{"maxCost": 0.5}')).code).toBe(0);
    expect(JSON.parse(readFileSync(file, 'utf8')).policies).toEqual([
      { name: 'cost_limit', enabled: true, enforcement: 'blocked', conditions: { maxCost: 0.5 } },
    ]);
    expect(await json('policy', 'check', '--config', file, '--cost', '0.4')).toMatchObject({
      code: 0,
      value: [{ policy: 'cost_limit', result: 'ALLOWED' }],
    });
    expect(await json('policy', 'check', '--config', file, '--cost', '0.6')).toMatchObject({
      code: 1,
      value: [{ policy: 'cost_limit', result: 'BLOCKED', reasonCode: 'x_cost_limit' }],
    });
  });

  it.each(['{"maxCost": -1}', '{"maxPrice": 1}', 'nonsense'])(
    'C-99: conditions of %s change nothing, and are refused',
    async (conditions) => {
      const file = config('untouched.json', {});
      const args = ['governance', 'policy', 'register', 'cost_limit', '--config', file];
      const { code } = await run([...args, '--conditions', conditions]);
      expect([code, readFileSync(file, 'utf8')]).toEqual([2, '{}']);
    },
  );

  it('a file that cannot be written is a usage error', async () => {
    const args = ['policy', 'register', 'cost_limit', '--config', join(folder, 'nowhere', 'x.json')];
    const { code, stderr } = await json(...args);
    expect(code).toBe(2);
    expect(JSON.parse(stderr).error.message).toMatch(/^--config .* cannot be written: ENOENT/);
  });
});

describe('inhouse governance --config', () => {
  const commands: readonly (readonly string[])[] = [
    ['policy', 'register', 'cost_limit'],
    ['policy', 'check'],
    ['budget', 'status', '--ledger', '.'],
  ];
  const messageOf = async (...args: string[]) => {
    const { code, stderr } = await json(...args);
    return [code, JSON.parse(stderr).error.message];
  };

  it.each(['null', '"s"', '[1]', '{"policies":{}}', '{"policies":[null]}', '{"policies":[{"name":"x"}]}'])(
    'that holds %s is a usage error of that flag',
    async (content) => {
      const file = config('wrong.json', content);
      for (const command of commands) {
        const said = await messageOf(...command, '--config', file);
        expect([command, ...said]).toEqual([command, 2, expect.stringContaining(`--config ${file}`)]);
      }
      expect(readFileSync(file, 'utf8')).toBe(content);
    },
  );

  it('that is not there is a usage error of that flag', async () => {
    const file = join(folder, 'absent.json');
    for (const command of [['validate'], ['policy', 'check'], ['budget', 'status', '--ledger', '.']]) {
      const said = await messageOf(...command, '--config', file);
      expect([command, ...said]).toEqual([
        command,
        2,
        expect.stringMatching(/^--config .*absent\.json cannot be read/),
      ]);
    }
  });
});

describe('inhouse governance status and budget', () => {
  it('C-99: says what is in force', async () => {
    const { stdout } = await run(['governance', 'status', '--json'], '', { GENOPS_TEAM: 'search' });
    expect(JSON.parse(stdout)).toMatchObject({
      attributes: { team: 'search' },
      openTelemetrySdk: false,
      pricedModels: { gpt2: expect.any(Number) },
    });
  });

  it('C-99: reads the budgets of a program from its ledger', async () => {
    const ledger = await FileLedger.open(join(folder, 'ledger'));
    const governed = govern(stub({ name: 'gpt2' }), { ledger });
    const { governance } = await governed.complete({ model: 'gpt2', prompt: 'Hello there', maxTokens: 5 });
    await governed.close();
    const { code, value } = await json(
      'budget',
      'status',
      '--ledger',
      join(folder, 'ledger'),
      '--daily',
      '1',
    );
    expect(code).toBe(0);
    expect(value).toMatchObject({ totalCostUsd: governance.cost.actualUsd, totalRequests: 1 });
    const text = await run(['governance', 'budget', 'status', '--ledger', join(folder, 'ledger')]);
    expect(text.stdout).toContain('Budget of all calls');
  });

  it('C-99: a ledger that is not there is a usage error', async () => {
    const empty = mkdtempSync(join(folder, 'empty-'));
    for (const place of [join(folder, 'nowhere'), empty]) {
      const { code, stderr } = await run(['governance', 'budget', 'status', '--ledger', place]);
      expect(code).toBe(2);
      expect(stderr).toContain(`There is no ledger in ${place}; give the folder`);
    }
    expect(readdirSync(empty)).toEqual([]);
  });

  it('limits are those of --config, each but where a flag says otherwise', async () => {
    const place = join(folder, 'limited');
    await (await FileLedger.open(place)).close();
    const file = config('limits.json', { dailyBudgetLimit: 2, monthlyBudgetLimit: 30 });
    const limits = async (...flags: string[]) => {
      const { value } = await json('budget', 'status', '--ledger', place, '--config', file, ...flags);
      return Object.fromEntries(
        (value as BudgetStatus).budgets[0]!.periods.map(({ period, limitUsd }) => [period, limitUsd]),
      );
    };
    expect(await limits()).toEqual({ daily: 2, monthly: 30 });
    expect(await limits('--daily', '1')).toEqual({ daily: 1, monthly: 30 });
  });
});
