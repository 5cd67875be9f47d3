"""The messages of the package: which there are in its source, and the catalogues brought up to date with them.

`make words` (`python -m stackyard.words.messages`) adds to each catalogue what is new in the source, with an empty
translation, drops what is gone, and tells what has to be translated. A message is the first argument of `phrase(...)`
or of `words(...)`, in Python and in templates.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.resources import as_file, files
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from stackyard.words.spoken import LANGUAGES

_METHODS = [("**.py", "python"), ("**/templates/**.html", "jinja2")]
_KEYWORDS = {"phrase": None, "words": None}


def written() -> Mapping[str, str]:
    """Every message of the source, and the file that has it first.

    >>> len(written()) > 1000
    True
    """
    with as_file(files("stackyard")) as folder:
        found: dict[str, str] = {}
        for file, _, message, _, _ in extract_from_dir(folder, _METHODS, keywords=_KEYWORDS):
            found.setdefault(message if isinstance(message, str) else message[0], file)
    return {message: found[message] for message in sorted(found) if message}


def read(path: Path, code: str) -> Catalog:
    """A catalogue; an empty one where there is none yet."""
    if not path.exists():
        return Catalog(locale=code)
    with path.open("rb") as stream:
        return read_po(stream, locale=code)


def brought_up(old: Catalog, messages: Mapping[str, str], code: str) -> Catalog:
    """A catalogue of exactly these messages, with the translations that there are."""
    new = Catalog(locale=code, project="Stackyard", header_comment="", fuzzy=False)
    for message in messages:
        known = old.get(message)
        new.add(message, known.string if known is not None and not known.fuzzy else "")
    return new


def write(path: Path, catalogue: Catalog) -> None:
    """The messages in order, without dates or places, so that two branches differ only in what they translate."""
    kept = Catalog(locale=catalogue.locale, header_comment="", fuzzy=False)
    for message in catalogue:
        if message.id:
            kept.add(message.id, message.string)
    with path.open("wb") as stream:
        stream.write(b'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n\n')
        write_po(stream, kept, width=0, omit_header=True, sort_output=True)


def main() -> None:
    """Brings every catalogue up to date and tells what is not translated."""
    messages = written()
    with as_file(files("stackyard.words") / "locale") as folder:
        for code in LANGUAGES:
            if code == "en":
                continue
            path = folder / f"{code}.po"
            catalogue = brought_up(read(path, code), messages, code)
            write(path, catalogue)
            open_ = [str(message.id) for message in catalogue if message.id and not message.string]
            told = "".join(f"  {messages[text]}: {text}\n" for text in open_)
            sys.stdout.write(f"{path}: {len(messages)} messages, {len(open_)} without a translation\n{told}")


if __name__ == "__main__":
    main()
