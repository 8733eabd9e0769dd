#!/usr/bin/env python3
"""Rewrite the tables of the model card from the records of the run.

usage: report.py BOOKS_JSON LOG_JSONL MODEL_DIR

Everything between '<!-- NAME -->' and '<!-- end NAME -->' in MODEL_DIR/README.md is generated: books
from prepare.py's record, run and losses from train.py's, quality and samples from metrics.json.
"""

import json
import re
import sys
from pathlib import Path

TRAINING_TOKENS = 5_293_860  # in train.npy; text and tokenizer fix it
LOSS_ROWS = 15


def table(*rows):
    """Markdown; the first row is the head."""
    head, *body = ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join([head, "|" + "---|" * len(rows[0]), *body])


def books_table(books):
    return table(
        ("PG id", "title", "raw bytes", "cleaned", "train", "validation", "use"),
        *(
            (
                book["id"],
                book["title"],
                f"{book['raw_bytes']:,}",
                f"{book['clean_bytes']:,}",
                f"{book.get('train_bytes', 0):,}",
                f"{book.get('validation_bytes', 0):,}",
                book.get("use", "training"),
            )
            for book in books
        ),
    )


def run_summary(log):
    done = log[-1]
    rates = sorted(record["tps"] for record in log if "tps" in record)
    return (
        f"{done['step']:,} steps, {done['tokens']:,} tokens ({done['tokens'] / TRAINING_TOKENS:.1f} epochs "
        f"of {TRAINING_TOKENS:,}), {done['wall_s'] / 60:.1f} minutes wall time.\n"
        f"Throughput: median {rates[len(rates) // 2]:,} tokens/s, range {rates[0]:,} to {rates[-1]:,}.\n"
        f"End of run: running train loss {done['train']}, validation loss {done['val1024']} "
        "(windows of 1024, 32 k tokens)."
    )


def loss_table(log):
    evaluations = [record for record in log if "val" in record]
    stride = max(1, len(evaluations) // LOSS_ROWS)
    return table(
        (
            "step",
            "tokens",
            "window",
            "train loss (running mean)",
            "validation loss (32 k tokens, same window)",
        ),
        *((r["step"], f"{r['tokens']:,}", r["T"], r["train"], r["val"]) for r in evaluations[::stride]),
    )


def quality_table(metrics):
    measured = [(key.split("/"), value) for key, value in metrics.items() if "/" in key]
    return table(
        ("weights", "text", "window", "NLL / token", "perplexity / token", "bits per byte"),
        *(
            (
                *key,
                f"{value['nll_per_token']:.4f}",
                f"{value['perplexity']:.2f}",
                f"{value['bits_per_byte']:.4f}",
            )
            for key, value in measured
        ),
    )


def samples_text(metrics):
    return "\n\n".join(f"```text\n{sample}\n```" for sample in metrics["samples"])


def replace(card, name, content):
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(\n<!-- end {name} -->)", re.S)
    card, count = pattern.subn(lambda match: match[1] + content + match[2], card)
    assert count == 1, f"the model card has {count} places for {name}"
    return card


def main(books_file, log_file, model_dir):
    books = json.loads(books_file.read_text(encoding="utf-8"))
    log = [json.loads(line) for line in log_file.read_text(encoding="utf-8").splitlines()]
    metrics = json.loads((model_dir / "metrics.json").read_text(encoding="utf-8"))
    card_file = model_dir / "README.md"
    card = card_file.read_text(encoding="utf-8")
    for name, content in (
        ("books", books_table(books)),
        ("run", run_summary(log)),
        ("losses", loss_table(log)),
        ("quality", quality_table(metrics)),
        ("samples", samples_text(metrics)),
    ):
        card = replace(card, name, content)
    card_file.write_text(card, encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
