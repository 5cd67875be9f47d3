"""Korean particles: which of two forms stands after a word depends on whether the word ends in a consonant."""

from __future__ import annotations

import re

_FORMS = re.compile(r"(\S)([\s)\]”’\"']*)(은\(는\)|이\(가\)|을\(를\)|과\(와\)|\(으\)로)")
_DIGITS = "013678"  # 영, 일, 삼, 육, 칠, 팔 end in a consonant
_LETTERS = "lmnr"  # 엘, 엠, 엔, 알


def particles(text: str) -> str:
    """The text with each double particle as the word before it asks for.

    A word in Latin letters is read by its last letter, a number by its last digit.

    >>> particles("HBM이(가) 부족합니다: 전력을(를), 스택은(는), 서울(으)로")
    'HBM이 부족합니다: 전력을, 스택은, 서울로'
    """
    return _FORMS.sub(_chosen, text)


def _chosen(match: re.Match[str]) -> str:
    last, between, both = match.groups()
    final = _final(last.lower())
    if both == "(으)로":
        return f"{last}{between}{'으로' if final and not _liquid(last.lower()) else '로'}"
    closed, opened = both[0], both[2]
    return f"{last}{between}{closed if final else opened}"


def _final(last: str) -> bool:
    if "가" <= last <= "힣":
        return (ord(last) - ord("가")) % 28 != 0
    return last in _DIGITS or last in _LETTERS


def _liquid(last: str) -> bool:
    """Whether it ends in ㄹ, after which -로 stands as after a vowel."""
    if "가" <= last <= "힣":
        return (ord(last) - ord("가")) % 28 == 8
    return last in "178lr"
