// Holds the attributes of a call against the tag rules. It decides; logging and stopping are the caller's.
import { TagValidationError } from '../errors.js';
import { type AttributeInput, type Attributes, attributeName, attributesFrom } from './attributes.js';
import { broken, checkTagRule, DEFAULT_TAG_RULES, type TagRule, type TagSeverity } from './tag-rules.js';

export interface TagFinding {
  readonly rule: string;
  readonly attribute: string;
  readonly severity: TagSeverity;
  readonly message: string;
}

export interface TagValidation {
  /** False only if a finding of severity 'block' exists. */
  readonly valid: boolean;
  /** Of severity 'error' and 'block'. */
  readonly violations: readonly TagFinding[];
  readonly warnings: readonly TagFinding[];
  /** The attributes without absent values, the named ones in camelCase. */
  readonly attributes: Attributes;
}

export class TagValidator {
  readonly #rules = new Map<string, TagRule>();
  #enabled = true;
  /** The last frozen attributes and what was found: calls without attributes of their own all share one object. */
  #last: { readonly input: AttributeInput; readonly result: TagValidation } | undefined;

  constructor(rules: readonly TagRule[] = DEFAULT_TAG_RULES) {
    for (const rule of rules) this.add(rule);
  }

  get rules(): readonly TagRule[] {
    return [...this.#rules.values()];
  }

  get enabled(): boolean {
    return this.#enabled;
  }

  /** @throws InvalidInputError for a rule that cannot be meant */
  add(rule: TagRule): void {
    checkTagRule(rule, 'tag rule');
    this.#last = undefined;
    this.#rules.set(rule.name, { ...rule, attribute: attributeName(rule.attribute) });
  }

  /** @returns false when there is no such rule */
  remove(name: string): boolean {
    this.#last = undefined;
    return this.#rules.delete(name);
  }

  enable(): void {
    this.#last = undefined;
    this.#enabled = true;
  }

  disable(): void {
    this.#last = undefined;
    this.#enabled = false;
  }

  /**
   * Never throws for a rule: one that throws itself is a violation of severity 'error'. Rules must give the same
   * answer for the same attributes.
   */
  validate(input: AttributeInput): TagValidation {
    if (this.#last?.input === input) return this.#last.result;
    const result = this.#judge(attributesFrom(input));
    if (Object.isFrozen(input)) this.#last = { input, result };
    return result;
  }

  /**
   * As `validate`, and throws where the call must not go on.
   * @param least 'block' (default), or 'error' where every violation stops the call
   * @throws TagValidationError `INHOUSE_TAG_REFUSED`
   */
  enforce(input: AttributeInput, least: 'block' | 'error' = 'block'): TagValidation {
    const result = this.validate(input);
    if (result.valid && (least === 'block' || result.violations.length === 0)) return result;
    const { violations, warnings } = result;
    throw new TagValidationError(
      'INHOUSE_TAG_REFUSED',
      `The call's attributes are refused: ${violations.map(({ message }) => message).join('; ')}.`,
      { details: { violations, warnings } },
    );
  }

  #judge(attributes: Attributes): TagValidation {
    const violations: TagFinding[] = [];
    const warnings: TagFinding[] = [];
    if (this.#enabled) {
      for (const rule of this.#rules.values()) {
        const finding = findingOf(rule, attributes);
        if (finding) (finding.severity === 'warning' ? warnings : violations).push(finding);
      }
    }
    const valid = !violations.some(({ severity }) => severity === 'block');
    return { valid, violations, warnings, attributes };
  }
}

/** For programs with one set of rules for all their providers. */
export const globalTagValidator = new TagValidator();

function findingOf(rule: TagRule, attributes: Attributes): TagFinding | undefined {
  const { name, attribute, severity } = rule;
  try {
    const message = broken(rule, attributes);
    return message === undefined ? undefined : { rule: name, attribute, severity, message };
  } catch (error) {
    const message = `the rule "${name}" failed: ${error instanceof Error ? error.message : String(error)}`;
    return { rule: name, attribute, severity: 'error', message };
  }
}
