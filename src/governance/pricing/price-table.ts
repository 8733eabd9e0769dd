// The prices of one provider, found by name or alias.
import type { ModelPrice } from './price.js';

export class PriceTable {
  readonly #byModel = new Map<string, ModelPrice>();
  /** Lower case. */
  readonly #byAlias = new Map<string, ModelPrice>();

  constructor(prices: Iterable<ModelPrice>) {
    for (const price of prices) {
      this.#byModel.set(price.model, price);
      for (const alias of price.aliases ?? []) this.#byAlias.set(alias.toLowerCase(), price);
    }
  }

  get prices(): readonly ModelPrice[] {
    return [...this.#byModel.values()];
  }

  /** By the exact name, else by an alias, whose case does not matter. */
  find(model: string): ModelPrice | undefined {
    return this.#byModel.get(model) ?? this.#byAlias.get(model) ?? this.#byAlias.get(model.toLowerCase());
  }

  /** A table in which `price` stands in for the price of the same model. */
  with(price: ModelPrice): PriceTable {
    return new PriceTable(new Map(this.#byModel).set(price.model, price).values());
  }
}
