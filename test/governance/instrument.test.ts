import { afterEach, describe, expect, it } from 'vitest';
import { InvalidInputError } from '#inhouse/errors.js';
import { clearDefaultAttributes, getDefaultAttributes } from '#inhouse/governance/attribution.js';
import {
  type Instrumentation,
  Instrumentor,
  providerInstrumentation,
  replaceMethods,
} from '#inhouse/governance/instrument.js';
import { consoleLogger, Log } from '#inhouse/governance/logging.js';
import { TelemetryFaults } from '#inhouse/governance/telemetry/faults.js';
import { SpanRecorder } from '#inhouse/governance/telemetry/spans.js';
import type { Completion, CompletionRequest, Provider } from '#inhouse/providers/provider.js';
import { stub } from '#inhouse/providers/stub.js';
import { tracing } from '../support/tracing.js';
import { start } from './telemetry/support.js';

afterEach(clearDefaultAttributes);

const request: CompletionRequest = { model: 'gpt2', prompt: 'Hello', maxTokens: 4 };

/** Counts what really runs. */
function counted(): { readonly provider: Provider; runs(): number } {
  const provider = stub();
  const run = provider.complete.bind(provider);
  let runs = 0;
  replaceMethods(provider, {
    complete: async (...given: Parameters<Provider['complete']>): Promise<Completion> => {
      runs++;
      return run(...given);
    },
  });
  return { provider, runs: () => runs };
}

/** A governed provider in miniature: `before` may refuse; each call has a span. */
function withSpans(recorder: SpanRecorder, before: () => void = () => {}) {
  return (original: Provider): Provider => ({
    ...original,
    complete: async (given, call) => {
      const span = recorder.start({ ...start, request: given });
      try {
        before();
        return await original.complete(given, call);
      } finally {
        span?.end();
      }
    },
  });
}

describe('auto-instrumentation', () => {
  it('C-101: a second init changes nothing and warns; uninstrument restores the originals', () => {
    const lines: string[] = [];
    const log = new Log(consoleLogger('warn', (line) => void lines.push(line)));
    const instrumentor = new Instrumentor({ log });
    const { provider } = counted();
    const inherited = provider.chat;
    const original = provider.complete;
    instrumentor.register(providerInstrumentation(provider, withSpans(new SpanRecorder())));

    expect(instrumentor.init({ defaults: { team: 'auto-instrumented' } }).instrumented).toEqual(['stub']);
    const patched = provider.complete;
    expect(patched).not.toBe(original);
    expect(getDefaultAttributes().team).toBe('auto-instrumented');

    expect(instrumentor.init({ defaults: { team: 'again' } }).initialized).toBe(true);
    expect(provider.complete).toBe(patched);
    expect(getDefaultAttributes().team).toBe('auto-instrumented');
    expect(lines.join()).toContain('Already instrumented');

    instrumentor.uninstrument();
    expect(provider.complete).toBe(original);
    expect(provider.chat).toBe(inherited);
    expect(Object.hasOwn(provider, 'chat')).toBe(false);
    expect(getDefaultAttributes()).toEqual({});
    expect(instrumentor.status()).toMatchObject({ initialized: false, instrumented: [] });
    instrumentor.uninstrument();
  });

  it('C-101: status tells what is registered, available and in force, by type', () => {
    const instrumentor = new Instrumentor();
    const absent: Instrumentation = {
      name: 'absent',
      frameworkType: 'client',
      available: () => false,
      patch: () => () => {},
    };
    instrumentor.register(absent);
    instrumentor.register(providerInstrumentation(stub(), (original) => original));
    expect(instrumentor.init()).toMatchObject({
      initialized: true,
      available: ['stub'],
      instrumented: ['stub'],
      byType: { client: ['absent'], inference: ['stub'] },
      registered: [
        { name: 'absent', frameworkType: 'client' },
        { name: 'stub', capabilities: ['cost_tracking', 'governance_attribution', 'embeddings'] },
      ],
    });
    instrumentor.uninstrument();
  });

  it('C-101: a name that is not registered is refused before anything is patched', () => {
    const instrumentor = new Instrumentor();
    expect(() => instrumentor.init({ only: ['openai'] })).toThrow(InvalidInputError);
    expect(instrumentor.status().initialized).toBe(false);
  });

  it.each<unknown>([null, { onyl: [] }, { only: 'openai' }, { defaults: 'search' }])(
    'options that cannot be meant are refused: %j',
    (options) => {
      const instrumentor = new Instrumentor();
      expect(() => instrumentor.init(options as never)).toThrow(
        expect.objectContaining({ code: expect.stringMatching(/^INHOUSE_(UNKNOWN|INVALID)_OPTION$/) }),
      );
      expect(instrumentor.status().initialized).toBe(false);
    },
  );

  it('C-102 D-30: a plain call of an instrumented provider is governed', async () => {
    const traced = tracing();
    const { provider, runs } = counted();
    const instrumentor = new Instrumentor();
    const recorder = new SpanRecorder({ tracerProvider: traced.provider });
    instrumentor.register(providerInstrumentation(provider, withSpans(recorder)));
    const before = await provider.complete(request);
    expect(traced.spans).toHaveLength(0);
    instrumentor.init();
    expect((await provider.complete(request)).text).toBe(before.text);
    expect(traced.spans).toHaveLength(1);
    instrumentor.uninstrument();
    await provider.complete(request);
    expect(traced.spans).toHaveLength(1);
    expect(runs()).toBe(3);
  });

  it('C-103 D-29: a tracking fault does not repeat the call, and a refusal stays one', async () => {
    const faults = new TelemetryFaults();
    const broken = {
      getTracer: () => {
        throw new Error('tracker');
      },
    };
    const { provider, runs } = counted();
    const instrumentor = new Instrumentor({ faults });
    let refuse = false;
    const recorder = new SpanRecorder({ tracerProvider: broken, faults });
    instrumentor.register(
      providerInstrumentation(
        provider,
        withSpans(recorder, () => {
          if (refuse) throw new Error('budget');
        }),
      ),
    );
    instrumentor.init();
    await provider.complete(request);
    expect([runs(), faults.count]).toEqual([1, 1]);
    refuse = true;
    await expect(provider.complete(request)).rejects.toThrow('budget');
    expect(runs()).toBe(1);
    instrumentor.uninstrument();
  });

  it('what cannot be patched is counted and left as it is, and the rest is patched', () => {
    const faults = new TelemetryFaults();
    const instrumentor = new Instrumentor({ faults });
    instrumentor.register({
      name: 'frozen',
      patch: () => {
        throw new Error('frozen');
      },
    });
    instrumentor.register(providerInstrumentation(stub(), (original) => original));
    expect(instrumentor.init().instrumented).toEqual(['stub']);
    expect(faults.last?.source).toBe('instrumentation');
    instrumentor.uninstrument();
  });
});
