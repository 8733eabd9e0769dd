import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { embeddedModelFolder } from '#inhouse/checkpoint/embedded.js';
import type { Score } from '#inhouse/scoring/score.js';
import { cliSandbox } from './cli-process.js';

const { run, folder } = cliSandbox();

it('scores ids with a model that has no tokenizer files', async () => {
  const model = join(folder, 'no-tokenizer');
  mkdirSync(model);
  for (const file of ['config.json', 'model.safetensors']) {
    copyFileSync(join(embeddedModelFolder(), file), join(model, file));
  }
  const { code, stdout, stderr } = await run(['score', '--model', model, '--ids', '1, 2,300', '--json']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(
    /^\{"ids":\[1,2,300\],"logprobs":\[null,-[\d.]+,-[\d.]+\],"perplexity":[\d.]+,.*\}\n$/,
  );
  const { logprobs, perplexity, scoredTokens } = JSON.parse(stdout) as Score;
  expect(scoredTokens).toBe(2);
  expect(perplexity).toBeCloseTo(Math.exp(-(logprobs[1]! + logprobs[2]!) / 2), 3);
});

it('tells perplexity, loss, tokens and bits per byte of a file', async () => {
  const text = 'It was the best of times, it was the worst of times.\n';
  const file = join(folder, 'text.txt');
  writeFileSync(file, text);
  const [told, json] = await Promise.all([
    run(['score', '--file', file, '--window', '8', '--stride', '4']),
    run(['score', '-', '--json', '--window', '8', '--stride', '4'], text),
  ]);
  expect(told).toMatchObject({ code: 0, stderr: '' });
  const { ids, perplexity, meanLoss, scoredTokens, textBytes } = JSON.parse(json.stdout) as Score;
  expect(scoredTokens).toBe(ids.length - 1);
  expect(textBytes).toBe(text.length);
  const bitsPerByte = (meanLoss * scoredTokens) / Math.log(2) / text.length;
  expect(told.stdout.split('\n')).toEqual([
    `perplexity     ${perplexity.toFixed(3)}`,
    `loss           ${meanLoss.toFixed(4)} nats per token`,
    `tokens         ${ids.length} (${scoredTokens} scored, window 8, stride 4)`,
    `bits per byte  ${bitsPerByte.toFixed(4)} (${text.length} bytes)`,
    '',
  ]);
});
