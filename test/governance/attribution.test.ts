import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { attributesFrom, attributeWireKey, KNOWN_ATTRIBUTES } from '#inhouse/governance/attributes.js';
import {
  Attribution,
  clearContext,
  clearDefaultAttributes,
  getContext,
  getDefaultAttributes,
  runWithAttributes,
  setContext,
  setDefaultAttributes,
  updateDefaultAttributes,
} from '#inhouse/governance/attribution.js';

const NO_VARIABLES = {};

afterEach(clearDefaultAttributes);

describe('attribution', () => {
  it('C-02: takes each of the twelve base attributes, by either spelling', () => {
    const twelve = [
      ['team', 'team'],
      ['project', 'project'],
      ['environment', 'environment'],
      ['customerId', 'customer_id'],
      ['costCenter', 'cost_center'],
      ['feature', 'feature'],
      ['userId', 'user_id'],
      ['sessionId', 'session_id'],
      ['experimentId', 'experiment_id'],
      ['modelVersion', 'model_version'],
      ['datasetId', 'dataset_id'],
      ['trainingJobId', 'training_job_id'],
    ] as const;
    for (const [name, wire] of twelve) {
      expect(KNOWN_ATTRIBUTES).toContain(name);
      expect(attributeWireKey(name)).toBe(wire);
      expect(attributesFrom({ [name]: 'x' })).toEqual({ [name]: 'x' });
      expect(attributesFrom({ [wire]: 'x' })).toEqual({ [name]: 'x' });
    }
  });

  it('C-03: keeps custom keys as they are given', () => {
    const attributes = new Attribution({}, NO_VARIABLES).resolve({ worker_id: 7, loadTestId: 'a' });
    expect(attributes).toMatchObject({ worker_id: 7, loadTestId: 'a' });
    expect(attributeWireKey('worker_id')).toBe('worker_id');
    expect(attributeWireKey('constructor')).toBe('constructor');
  });

  it('C-04 D-61: explicit values win over GENOPS_ variables, and those over the constants', () => {
    expect(new Attribution({}, NO_VARIABLES).resolve()).toEqual({
      team: 'default',
      project: 'default',
      environment: 'production',
    });
    const variables = {
      GENOPS_TEAM: 'env-team',
      GENOPS_PROJECT: 'env-project',
      GENOPS_ENVIRONMENT: 'staging',
      GENOPS_CUSTOMER_ID: 'c1',
      GENOPS_COST_CENTER: 'cc',
      GENOPS_FEATURE: 'search',
    };
    expect(new Attribution({}, variables).resolve()).toEqual({
      team: 'env-team',
      project: 'env-project',
      environment: 'staging',
      customerId: 'c1',
      costCenter: 'cc',
      feature: 'search',
    });
    expect(new Attribution({ team: 'mine' }, variables).resolve().team).toBe('mine');
    expect(new Attribution({}, { GENOPS_TEAM: '' }).resolve().team).toBe('default');
  });

  it('C-05: request, scope, provider, ambient, process: each wins over the ones after it', () => {
    const seen: unknown[] = [];
    for (let level = 0; level < 6; level++) {
      clearDefaultAttributes();
      if (level <= 4) setDefaultAttributes({ team: 'process' });
      const attribution = new Attribution(level <= 2 ? { team: 'provider' } : {}, NO_VARIABLES);
      const request = level === 0 ? { team: 'request' } : undefined;
      const inScope = () =>
        level <= 1
          ? attribution.scope({ team: 'scope' }, () => attribution.resolve(request))
          : attribution.resolve(request);
      const attributes = level <= 3 ? runWithAttributes({ team: 'ambient' }, inScope) : inScope();
      seen.push(attributes.team);
    }
    expect(seen).toEqual(['request', 'scope', 'provider', 'ambient', 'process', 'default']);
  });

  it('C-05: which of the ambient context and a scope is opened first does not matter', () => {
    const attribution = new Attribution({}, NO_VARIABLES);
    const team = attribution.scope({ team: 'scope' }, () =>
      runWithAttributes({ team: 'ambient' }, () => attribution.resolve().team),
    );
    expect(team).toBe('scope');
  });

  it('C-06: absent values are dropped and hide nothing', () => {
    const attribution = new Attribution({ team: 'a', feature: null }, NO_VARIABLES);
    const attributes = attribution.resolve({ team: undefined, customerId: null, extra: undefined });
    expect(attributes).toEqual({ team: 'a', project: 'default', environment: 'production' });
  });

  it('C-07: a scope ends with its body, also when that throws, and nests', async () => {
    const attribution = new Attribution({}, NO_VARIABLES);
    const feature = () => attribution.resolve().feature;
    await attribution.scope({ feature: 'outer' }, async () => {
      const failing = attribution.scope({ feature: 'inner' }, async () => {
        await turn();
        expect(feature()).toBe('inner');
        throw new Error('stop');
      });
      await expect(failing).rejects.toThrow('stop');
      expect(feature()).toBe('outer');
    });
    expect(() =>
      attribution.scope({ feature: 'sync' }, () => {
        throw new Error('stop');
      }),
    ).toThrow('stop');
    expect(feature()).toBeUndefined();
  });

  it('C-08 D-06: a scope hands its body what is in force, outer scopes included', () => {
    const attribution = new Attribution({}, NO_VARIABLES);
    const view = attribution.scope({ team: 'a', feature: 'x' }, () =>
      attribution.scope({ feature: 'y', customer_id: 'c' }, (inner) => inner),
    );
    expect(view).toEqual({ team: 'a', feature: 'y', customerId: 'c' });
  });

  it("D-07: a provider's scope does not reach other providers", () => {
    const [one, other] = [new Attribution({}, NO_VARIABLES), new Attribution({}, NO_VARIABLES)];
    const team = one.scope({ team: 'one' }, () => other.scope({ feature: 'f' }, () => one.resolve()));
    expect(team).toMatchObject({ team: 'one' });
    expect(team).not.toHaveProperty('feature');
    expect(one.scope({ team: 'one' }, () => other.resolve().team)).toBe('default');
  });

  it('C-09 D-07: a thousand interleaved tasks never see each other', async () => {
    const attribution = new Attribution({}, NO_VARIABLES);
    const task = async (index: number) => {
      await turn();
      const ambient = { customerId: `c${index}`, [`only${index}`]: true };
      return runWithAttributes(ambient, async () => {
        await turn();
        setContext({ userId: `u${index}` });
        await turn();
        return attribution.scope({ sessionId: `s${index}` }, async () => {
          await turn();
          return attribution.resolve({ requestId: `r${index}` });
        });
      });
    };
    const results = await Promise.all(Array.from({ length: 1000 }, (_, index) => task(index)));
    for (const [index, attributes] of results.entries()) {
      expect(attributes).toEqual({
        team: 'default',
        project: 'default',
        environment: 'production',
        customerId: `c${index}`,
        [`only${index}`]: true,
        userId: `u${index}`,
        sessionId: `s${index}`,
        requestId: `r${index}`,
      });
    }
    expect(getContext()).toEqual({});
  });

  it('C-10: what was resolved for a call does not change with its sources', () => {
    const attribution = new Attribution({ team: 'a' }, NO_VARIABLES);
    const tags = ['x'];
    const request = { feature: 'before', tags };
    const attributes = runWithAttributes({ userId: 'u' }, () => attribution.resolve(request));
    setDefaultAttributes({ costCenter: 'later' });
    request.feature = 'after';
    tags.push('y');
    expect(attributes).toEqual({
      team: 'a',
      project: 'default',
      environment: 'production',
      userId: 'u',
      feature: 'before',
      tags: ['x'],
    });
    expect(() => Object.assign(attributes, { team: 'b' })).toThrow(TypeError);
  });

  it('calls without attributes of their own share one object until the defaults change', () => {
    const attribution = new Attribution({}, NO_VARIABLES);
    const first = attribution.resolve();
    expect(attribution.resolve()).toBe(first);
    setDefaultAttributes({ team: 'changed' });
    expect(attribution.resolve().team).toBe('changed');
    expect(first.team).toBe('default');
  });

  it('process-wide defaults are set, extended, read and cleared', () => {
    setDefaultAttributes({ team: 'a', project: 'p' });
    updateDefaultAttributes({ project: 'q', cost_center: 'cc' });
    expect(getDefaultAttributes()).toEqual({ team: 'a', project: 'q', costCenter: 'cc' });
    setDefaultAttributes({ team: 'b' });
    expect(getDefaultAttributes()).toEqual({ team: 'b' });
    clearDefaultAttributes();
    expect(getDefaultAttributes()).toEqual({});
  });

  it('the ambient context is extended and cleared, and ends with its scope', () => {
    runWithAttributes({ team: 'a' }, () => {
      setContext({ feature: 'f' });
      setContext({ userId: 'u' });
      expect(getContext()).toEqual({ team: 'a', feature: 'f', userId: 'u' });
      clearContext();
      expect(getContext()).toEqual({});
    });
    expect(getContext()).toEqual({});
  });

  it('clearing the ambient context leaves a scope of a provider alone', () => {
    const attribution = new Attribution({}, NO_VARIABLES);
    attribution.scope({ team: 'scope' }, () => {
      setContext({ feature: 'f' });
      clearContext();
      expect(attribution.resolve()).toMatchObject({ team: 'scope' });
      expect(attribution.resolve()).not.toHaveProperty('feature');
    });
  });

  it('refuses what telemetry cannot carry, naming the key', () => {
    const bad: unknown[] = [Number.NaN, Number.POSITIVE_INFINITY, {}, () => 1, 1n, Symbol('s'), new Date()];
    for (const value of [...bad, [1, 'a'], [[1]], [null], [Number.NaN], Object.assign(new Array(3), ['a'])]) {
      expect(() => attributesFrom({ quota: value as number })).toThrow(/"quota"/);
    }
    for (const key of ['', '__proto__']) {
      expect(() => attributesFrom(JSON.parse(`{"${key}": "x"}`))).toThrow(/key that is not empty/);
    }
  });

  it('any legal values come through unchanged', () => {
    const value = fc.oneof(
      fc.string(),
      fc.boolean(),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.array(fc.string()),
    );
    const key = fc.string({ minLength: 1 }).filter((text) => text !== '__proto__' && !text.includes('_'));
    fc.assert(
      fc.property(fc.dictionary(key, value), (input) => {
        expect({ ...attributesFrom(input) }).toEqual({ ...input });
      }),
    );
  });
});
