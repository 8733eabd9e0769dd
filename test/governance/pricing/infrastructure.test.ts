import { describe, expect, it } from 'vitest';
import { PricingCatalogue } from '#inhouse/governance/pricing/catalogue.js';
import {
  DEFAULT_RATES,
  infrastructureCost,
  infrastructureRates,
} from '#inhouse/governance/pricing/infrastructure.js';

const HOUR = 3600;
const USAGE = { promptTokens: 40, completionTokens: 60 };

describe('infrastructure cost', () => {
  it('C-87: is rates times time plus kilowatts times the price of electricity', () => {
    const both = infrastructureCost({ cpu: 2 * HOUR, gpu: 2 * HOUR }, DEFAULT_RATES);
    // GenOps: (0.50 + 0.05) USD/h and 0.4 kW at 0.12 USD/kWh, for both devices at once.
    expect(both).toBeCloseTo(2 * (0.55 + 0.4 * 0.12), 12);
  });

  it('C-87 D-24: a call on the CPU alone pays for no GPU', () => {
    const rates = infrastructureRates({ gpuHourRate: 1000, gpuWatts: 1000 }, {});
    expect(infrastructureCost({ cpu: HOUR, gpu: 0 }, rates)).toBeCloseTo(0.05 + 0.1 * 0.12, 12);
    expect(infrastructureCost({ cpu: 0, gpu: 1 }, rates)).toBeCloseTo((1000 + 0.12) / HOUR, 12);
    expect(infrastructureCost({ cpu: 0, gpu: 0 }, rates)).toBe(0);
  });

  it('D-25: a microsecond still costs something', () => {
    expect(infrastructureCost({ cpu: 1e-6, gpu: 0 }, DEFAULT_RATES)).toBeCloseTo(0.062e-6 / HOUR, 20);
  });

  it('takes rates from options, else from the environment, else the default ones', () => {
    const variables = {
      GENOPS_GPT2_CPU_HOUR_RATE: '0.1',
      GENOPS_OLLAMA_CPU_HOUR_RATE: '9',
      GENOPS_OLLAMA_GPU_HOUR_RATE: '0.7',
      GENOPS_OLLAMA_ELECTRICITY_RATE: '0.3',
    };
    expect(infrastructureRates({ electricityRate: 0.4 }, variables)).toEqual({
      ...DEFAULT_RATES,
      cpuHourRate: 0.1,
      gpuHourRate: 0.7,
      electricityRate: 0.4,
    });
    expect(infrastructureRates({}, {})).toEqual(DEFAULT_RATES);
    for (const rate of ['cheap', '-1', 'Infinity']) {
      expect(() => infrastructureRates({}, { GENOPS_GPT2_CPU_HOUR_RATE: rate })).toThrow(/cpuHourRate/);
    }
  });

  it('C-88: is reported beside the token price, and either may be what is charged', () => {
    const call = { model: 'gpt2', usage: USAGE, computeSeconds: { cpu: 36, gpu: 0 } };
    const infrastructureUsd = infrastructureCost(call.computeSeconds, DEFAULT_RATES);
    const tokenUsd = (40 * 0.01 + 60 * 0.02) / 1e6;
    const byToken = new PricingCatalogue().actual(call);
    expect(byToken).toMatchObject({ type: 'token', infrastructureUsd });
    expect(byToken.tokenUsd).toBeCloseTo(tokenUsd, 15);
    expect(byToken.totalUsd).toBe(byToken.tokenUsd);
    const byTime = new PricingCatalogue({ charge: 'infrastructure' }).actual(call);
    expect(byTime).toMatchObject({ type: 'infrastructure', infrastructureUsd, totalUsd: infrastructureUsd });
    expect(byTime.tokenUsd).toBe(byToken.tokenUsd);
  });

  it('C-88: where nobody measured the time, tokens are charged', () => {
    const catalogue = new PricingCatalogue({ charge: 'infrastructure' });
    const cost = catalogue.actual({ model: 'gpt2', usage: USAGE });
    expect(cost).toMatchObject({ type: 'token', infrastructureUsd: undefined, totalUsd: cost.tokenUsd });
  });

  it('estimates learn what a token of a model has cost to compute', () => {
    const catalogue = new PricingCatalogue({ charge: 'infrastructure' });
    const request = { model: 'gpt2', promptTokens: 100, maxTokens: 300 };
    const guess = { type: 'token', infrastructureUsd: undefined, isUpperBound: false };
    expect(catalogue.estimate(request)).toMatchObject(guess);
    const first = catalogue.actual({ model: 'gpt2', usage: USAGE, computeSeconds: { cpu: 1, gpu: 0 } });
    const second = catalogue.actual({ model: 'gpt2', usage: USAGE, computeSeconds: { cpu: 3, gpu: 0 } });
    const estimate = catalogue.estimate({ ...request, model: 'gpt2-small' });
    const perToken = ((first.infrastructureUsd ?? 0) + (second.infrastructureUsd ?? 0)) / 200;
    expect(estimate).toMatchObject({ type: 'infrastructure', isUpperBound: false });
    expect(estimate.infrastructureUsd).toBeCloseTo(400 * perToken, 15);
    expect(estimate.totalUsd).toBe(estimate.infrastructureUsd);
    expect(catalogue.estimate({ ...request, model: 'gpt2-xl' }).infrastructureUsd).toBeUndefined();
    // Elsewhere nobody measures, so tokens are charged.
    expect(catalogue.estimate({ ...request, kind: 'remote' })).toMatchObject({
      ...guess,
      isUpperBound: true,
    });
  });

  it('refuses times that are negative or not finite', () => {
    for (const cpu of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => infrastructureCost({ cpu, gpu: 0 }, DEFAULT_RATES)).toThrow(/cpu is/);
    }
  });
});
