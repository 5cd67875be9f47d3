"""What is said to people, in English where it is written and in the reader's language where it is shown.

Whoever writes a sentence writes it in English, as a `phrase`: a text that remembers its pattern and what stands in it.
Whoever shows it asks `spoken.Words` of the reader's language for it. Translations are in `locale/*.po`, nowhere else.

>>> said = phrase("By {month} the plan serves {part}.", month=month("2030-12"), part=share("32%"))
>>> str(said)
'By 2030-12 the plan serves 32%.'
"""

from stackyard.words.phrase import (
    amount,
    capital,
    day,
    either,
    joined,
    label,
    listed,
    month,
    number,
    pattern,
    phrase,
    share,
    significant,
    to,
    together,
    within,
)

__all__ = [
    "amount",
    "capital",
    "day",
    "either",
    "joined",
    "label",
    "listed",
    "month",
    "number",
    "pattern",
    "phrase",
    "share",
    "significant",
    "to",
    "together",
    "within",
]
