"""Synthetic traffic: arrivals, lengths, conversations and shared prefixes; the same seed gives the same requests."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from stackyard.quantity import Token
from stackyard.sim.trace import Requests


def shared_prefix(of: Requests, tokens: Token, groups: int = 1, block: int = 16) -> Requests:
    """The same requests, each beginning with one of `groups` system prompts of `tokens` tokens (whole blocks of it)."""
    blocks = int(tokens) // block
    if blocks == 0:
        return of
    ids = (np.arange(len(of)) % groups)[:, None] * blocks + np.arange(blocks)
    many = np.minimum(np.full(len(of), blocks), of.prompt // block)
    keep = np.arange(blocks)[None, :] < many[:, None]
    return replace(of, hashes=ids[keep].astype(np.int64), hash_n=many.astype(np.int64), hash_tokens=block)


def sessions(of: Requests, many: int, warm: bool, serial: bool = True, block: int = 16) -> Requests:
    """The same requests dealt out in turn to `many` users, each sending its own prompt again and again, one at a time.

    A user's next request waits until the last one is answered, unless not `serial`. The whole prompt but its last token is in the cache from
    the second time on; with `warm` already the first time: the first round is left out of what is served, by prompts
    that all share one user's blocks.
    """
    user = np.arange(len(of)) % many
    blocks = of.prompt // block
    most = int(blocks.max()) if len(of) else 0
    first = 0 if not warm else user[0]
    ids = (np.where(warm, first, user)[:, None] * most + np.arange(most)).astype(np.int64)
    keep = np.arange(most)[None, :] < blocks[:, None]
    return replace(of, hashes=ids[keep], hash_n=blocks.astype(np.int64), hash_tokens=block, session=user if serial else None)
