"""The words that compare.py and the runners exchange: one list of questions in, one list of answers out, as JSON.

A question has the row's own fields, what the model and the chip are, and `batch`, the requests in progress. An answer
has the row's `id` and the `setting` of the peer, and either `reason` or `ttft`, `tpot` (s), `output_rate` (tokens/s of
the replica) and, where the peer has no queue of its own, `filling` (s). This file needs nothing but Python: it runs in
the environment of every peer.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

Question = dict[str, Any]
Answer = dict[str, Any]


class CannotExpressError(Exception):
    """Why a peer has no answer to a question."""


def steady(prefill: float, decode: float, question: Question) -> Answer:
    """Service times of a peer that only knows one prompt's prefill and one decode step; s.

    Every request in progress lives batch prefills and output steps long: its tokens wait for the prompts of the others.
    life = batch prefill + output decode; rate = batch output / life; tpot = (life - prefill) / output. `filling` is
    the time of everybody's prompts, for which the first wave of a closed loop waits.
    """
    batch, output = question["batch"], question["output"]
    life = batch * prefill + output * decode
    tpot, rate = (life - prefill) / output, batch * output / life
    return {"ttft": prefill, "tpot": tpot, "output_rate": rate, "filling": batch * prefill}


def lockstep(prefill: float, decode: float, question: Question) -> Answer:
    """Service times of a fixed batch: all its prompts first, which take `prefill`, then its steps; s."""
    batch, output = question["batch"], question["output"]
    life = prefill + (output - 1) * decode
    return {"ttft": prefill, "tpot": decode, "output_rate": batch * output / life}


def serve(settings: dict[str, Any], answer: Callable[[Question, Any], Answer]) -> None:
    """Reads questions, answers each under each setting, and writes answers and seconds by setting.

    The questions of `warm` are asked beforehand under each setting, so that loading tables is not in the time.
    """
    told = json.load(sys.stdin)
    questions, warm = told["questions"], told["warm"]
    answers, seconds = [], {}
    with contextlib.redirect_stdout(sys.stderr):
        for name, setting in list(settings.items())[: 1 if told.get("first") else None]:
            list(_answers(warm, name, setting, answer))
            start = time.perf_counter()
            answers += _answers(questions, name, setting, answer)
            seconds[name] = time.perf_counter() - start
    json.dump({"answers": answers, "seconds": seconds}, sys.stdout)


def _answers(
    questions: list[Question], name: str, setting: Any, answer: Callable[[Question, Any], Answer]
) -> Iterator[Answer]:
    for question in questions:
        try:
            found = {key: float(value) for key, value in answer(question, setting).items()}
        except CannotExpressError as reason:
            found = {"reason": str(reason)}
        yield {"id": question["id"], "setting": name} | found
