// The parameters of a GPT-2: their canonical names and shapes.
import type { Gpt2Config } from './config.js';

type ParameterConfig = Pick<
  Gpt2Config,
  'layers' | 'width' | 'innerWidth' | 'vocabularySize' | 'contextLength' | 'tiedEmbeddings'
>;

/** By canonical name, in the order of the model. Matrices of a layer are Conv1D weights, [in, out]. */
export function parameterShapes(config: ParameterConfig): ReadonlyMap<string, readonly number[]> {
  const { width, innerWidth, vocabularySize, contextLength, tiedEmbeddings } = config;
  const shapes = new Map<string, readonly number[]>();
  shapes.set('wte.weight', [vocabularySize, width]);
  shapes.set('wpe.weight', [contextLength, width]);
  for (let layer = 0; layer < config.layers; layer++) {
    const norm = (name: string): void => {
      shapes.set(`h.${layer}.${name}.weight`, [width]);
      shapes.set(`h.${layer}.${name}.bias`, [width]);
    };
    const linear = (name: string, inputs: number, outputs: number): void => {
      shapes.set(`h.${layer}.${name}.weight`, [inputs, outputs]);
      shapes.set(`h.${layer}.${name}.bias`, [outputs]);
    };
    norm('ln_1');
    linear('attn.c_attn', width, 3 * width);
    linear('attn.c_proj', width, width);
    norm('ln_2');
    linear('mlp.c_fc', width, innerWidth);
    linear('mlp.c_proj', innerWidth, width);
  }
  shapes.set('ln_f.weight', [width]);
  shapes.set('ln_f.bias', [width]);
  if (!tiedEmbeddings) shapes.set('lm_head.weight', [vocabularySize, width]);
  return shapes;
}
