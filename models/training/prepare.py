#!/usr/bin/env python3
"""Clean the Project Gutenberg novels and split them into training, validation and test text.

usage: prepare.py GUTENBERG_DIR WORK_DIR

Writes train.txt, validation.txt and alice.txt (UTF-8) and books.json (sizes per book) into WORK_DIR.
Books inside train.txt and validation.txt are separated by the literal string <|endoftext|>, which
bpe.py turns into one token.

Cleaning, in order:
  1. decode UTF-8 (BOM dropped), else Windows-1252 (superset of ISO-8859-1); CRLF -> LF; NFC
  2. keep what lies between the '*** START OF' and '*** END OF' markers, then drop everything
     before the first sentence of the novel (title page, contents, prefaces) and after its last one
     (licence, 'End of the Project Gutenberg EBook', transcriber's notes, footnote appendix)
  3. drop HTML remnants, [Illustration], footnote markers, '_' italics marks
  4. join hard-wrapped lines of one paragraph into one line (verse and other indented blocks keep
     their line breaks), paragraphs separated by one blank line, runs of spaces collapsed
  5. quotes and dashes to ASCII: double curly -> ", single curly -> ', em dash -> --, en dash -> -
     Books that put dialogue in single quotes (Alice, David Copperfield, Wuthering Heights) are
     turned to double quotes so that dialogue looks the same everywhere.
"""

import json
import re
import sys
import unicodedata
from pathlib import Path

# By Project Gutenberg id: the title, and the first words of the novel proper. What precedes them is dropped.
BOOKS = {
    98: ("A Tale of Two Cities", "It was the best of times"),
    11: ("Alice's Adventures in Wonderland", "Alice was beginning to get very tired"),
    1399: ("Anna Karenina", "Happy families are all alike"),
    1023: ("Bleak House", "A Chancery judge once had the kindness"),
    2554: ("Crime and Punishment", "On an exceptionally hot evening"),
    766: ("David Copperfield", "Whether I shall turn out to be the hero"),
    345: ("Dracula", "_3 May. Bistritz._"),
    158: ("Emma", "Emma Woodhouse, handsome"),
    1400: ("Great Expectations", "My father's family name"),
    135: ("Les Misérables", "In 1815, M. Charles"),
    145: ("Middlemarch", "Who that cares much to know the history"),
    2701: ("Moby Dick; Or, The Whale", "Call me Ishmael"),
    1342: ("Pride and Prejudice", "It is a truth universally"),
    1661: ("The Adventures of Sherlock Holmes", "To Sherlock Holmes she is always"),
    74: ("The Adventures of Tom Sawyer", "“TOM!”"),
    2600: ("War and Peace", "“Well, Prince, so Genoa"),
    768: ("Wuthering Heights", "1801.--I have just returned"),
}
# First words of appended matter that is not the novel.
STOP = {345: "Typographical errors corrected", 135: "\nLETTER TO M. DAELLI"}

TEST_BOOK = 11  # Alice: never trained on
STRAIGHT_QUOTES_BOOK = 768  # Wuthering Heights: single quotes that do not say whether they open or close
VALIDATION_FRACTION = 0.05  # the end of every other book
SEPARATOR = "<|endoftext|>"

# Words that start with an apostrophe, which is then no opening quote.
ELISION = (
    r"(?:em|tis|twas|twere|twill|twixt|twould|ud|ull|un|cos|cause|ere|ee|prentice|bout|way|ware|pon|gainst|"
    r"d|ll|s|t|re|ve|m|n|st|most|appen|bacca|baccy|ood|ouse|fore|nough)\b"
)
SURE_ELISION = r"(?:em|twixt|tis|twas|un|ud)\b"
# Paragraphs that are the transcriber's, not the author's.
NOTE = re.compile(r"Project Gutenberg|\b[Ee]text\b|[Tt]ranscriber.s note|EDITOR.S COMMENTARY|\|")


def decode(raw):
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("cp1252")
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))


def body(text, book):
    """The novel alone, without what Project Gutenberg and the publisher put around it."""
    opening = re.search(r"\*\*\* ?START OF[^\n]*", text)
    closing = re.search(r"\*\*\* ?END OF", text)
    text = text[opening.end() : closing.start()]
    _, first_words = BOOKS[book]
    start = text.rfind(first_words, 0, len(text) // 4)  # the last hit: contents pages come before it
    assert start >= 0, f"book {book} does not begin with {first_words!r}"
    text = text[start:]
    if book in STOP:
        stop = text.rfind(STOP[book])
        assert stop > len(text) * 0.9, f"book {book}: {STOP[book]!r} at {stop} of {len(text)}"
        text = text[:stop]
    text = re.sub(r"\n[^\n]*End of (?:The |the )?Project Gutenberg[\s\S]*$", "\n", text)
    return re.sub(r"\n\s*(?:THE END|FINIS|The End)\.?\s*$", "\n", text)


def without_markup(text):
    text = re.sub(r"<a\s[^>]*>\s*\d*\s*</a>", "", text)  # anchors of notes in Les Misérables
    text = re.sub(r"</?[a-zA-Z][^<>]*>", "", text)
    text = re.sub(r"\[(?:Illustration|Footnote)[^\]]*\]", "", text)
    text = re.sub(r"^\s*Enlarge\s*$", "", text, flags=re.M)
    text = re.sub(r'\[\*?\d*\]|\[\*\]|(?<=[\w.,!?”"])\*(?=[\s,.])', "", text)
    text = re.sub(r"^\s*(?:\*\s*){2,}$", "", text, flags=re.M)  # rows of asterisks
    text = text.replace("\xa0", " ").replace("\u200b", "").replace("\ufeff", "").replace("\t", " ")
    return text.replace("_", "").replace("=", "")


def curl_straight_quotes(text):
    """Decides which straight single quotes open a quotation; all others become apostrophes."""
    text = text.replace('"', "“")  # quotations inside quotations, see double_quotes()
    text = re.sub(r"(^|[\s(\-“])'(?!" + ELISION + r")(?=[\w“])", r"\1‘", text, flags=re.I)
    return text.replace("'", "’")


def double_quotes(paragraph):
    """Dialogue in curly single quotes to straight double quotes, and the reverse for quotes inside it."""
    paragraph = paragraph.replace("“", "\x01").replace("”", "\x01")
    out, is_open = [], False
    for i, character in enumerate(paragraph):
        if character == "‘" and not is_elision(paragraph, i):
            out.append('"')
            is_open = True
        elif character == "’" and closes(paragraph, i, is_open):
            out.append('"')
            is_open = False
        else:
            out.append("'" if character in "‘’" else character)
    return "".join(out).replace("\x01", "'")


def is_elision(paragraph, i):
    """Whether the opening quote at i is in truth the apostrophe of a shortened word."""
    after_text = i > 0 and paragraph[i - 1] not in " \n"
    rest = paragraph[i + 1 :]
    return bool(after_text and re.match(ELISION, rest, re.I) or re.match(SURE_ELISION, rest))


def closes(paragraph, i, is_open):
    """Whether the closing quote at i ends a quotation; otherwise it is an apostrophe."""
    if paragraph[i + 1 : i + 2].isalnum():
        return False  # don't
    if i > 0 and paragraph[i - 1] in ",.!?;:-)":
        return True
    if not is_open:
        return False
    # After a letter, inside a quotation: closing, unless a surer close comes before the next opening.
    rest = paragraph[i + 1 :]
    sure = re.search(r"[,.!?;:\-)]’(?!\w)", rest)
    opening = rest.find("‘")
    return not (sure and (opening < 0 or sure.start() < opening))


def paragraphs(text):
    """Blocks between blank lines, on one line each; verse keeps its lines."""
    for block in re.split(r"\n[ ]*\n", text):
        lines = [line.rstrip() for line in block.split("\n") if line.strip()]
        if not lines:
            continue
        indented = sum(line.startswith("  ") for line in lines)
        is_short = max(len(line.strip()) for line in lines) < 60
        is_verse = len(lines) > 1 and is_short and indented * 2 >= len(lines)
        yield ("\n" if is_verse else " ").join(re.sub(r" +", " ", line.strip()) for line in lines)


def to_ascii_punctuation(paragraph):
    paragraph = re.sub("[“”„«»]", '"', paragraph)
    paragraph = re.sub("[‘’`´]", "'", paragraph)
    paragraph = re.sub(r"\s*[—―]\s*", "--", paragraph).replace("–", "-").replace("…", "...")
    paragraph = re.sub(r"-{3,}", "--", paragraph)
    return re.sub(r" +", " ", paragraph).strip()


def clean(raw, book):
    text = without_markup(body(decode(raw), book))
    if book == STRAIGHT_QUOTES_BOOK:
        text = curl_straight_quotes(text)
    has_single_quotes = text.count("‘") > 2 * text.count("“")
    kept = []
    for paragraph in paragraphs(text):
        if NOTE.search(paragraph):
            print("dropped:", book, paragraph[:150])
            continue
        if has_single_quotes:
            paragraph = double_quotes(paragraph)
        kept.append(to_ascii_punctuation(paragraph))
    return "\n\n".join(paragraph for paragraph in kept if paragraph) + "\n"


def split(text):
    """Training and validation part, cut at a paragraph break."""
    cut = text.index("\n\n", int(len(text) * (1 - VALIDATION_FRACTION)))
    return text[:cut].strip() + "\n", text[cut:].strip() + "\n"


def size(text):
    return len(text.encode())


def main(source, target):
    train, validation, books = [], [], []
    for path in sorted(Path(source).glob("*.txt")):
        book = int(re.search(r"_(\d+)\.txt$", path.name).group(1))
        raw = path.read_bytes()
        text = clean(raw, book)
        title, _ = BOOKS[book]
        row = {
            "id": book,
            "title": title,
            "file": path.name,
            "raw_bytes": len(raw),
            "clean_bytes": size(text),
        }
        if book == TEST_BOOK:
            (target / "alice.txt").write_text(text, encoding="utf-8")
            row["use"] = "test only"
        else:
            head, tail = split(text)
            train.append(head)
            validation.append(tail)
            row.update(train_bytes=size(head), validation_bytes=size(tail))
        books.append(row)
        print(row)
    (target / "train.txt").write_text(SEPARATOR.join(train), encoding="utf-8")
    (target / "validation.txt").write_text(SEPARATOR.join(validation), encoding="utf-8")
    (target / "books.json").write_text(
        json.dumps(books, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
