"""Accounts, sessions and tokens of a workspace, in the ledger's database; secrets are kept as hashes only.

Passwords are hashed with argon2id. Sessions and tokens are random; what is stored is their SHA-256. Failed sign-ins
are counted by account and by origin: after MOST of them within WINDOW, further ones are refused until it is over.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from stackyard.alliance.decide import Refused
from stackyard.alliance.ledger import Ledger, now
from stackyard.words import phrase

MOST, WINDOW = 5, timedelta(minutes=15)
LASTS = timedelta(hours=12)
SHORTEST = 10
RECENT, REMEMBERED = 1.0, 10_000  # seconds for which a session is taken as it was found, and how many are
ROLES = ("host", "member", "reader")
SCOPES = ("read", "write")
_HASHER = PasswordHasher()


@cache
def _nobody() -> str:
    """A hash that is checked for names that do not exist, so that they take as long."""
    return _HASHER.hash(secrets.token_hex(16))


@dataclass(frozen=True)
class Account:
    """Who signs in: a person of a partner. A host sees and records all; a reader records nothing."""

    name: str
    partner: str
    role: str


@dataclass(frozen=True)
class Session:
    """A signed-in account, with the token that its forms carry."""

    account: Account
    csrf: str
    id: str


@dataclass(frozen=True)
class Token:
    """A token for programs: what it may do, and whether it was revoked. The secret is shown once, when it is made."""

    id: str
    account: str
    name: str
    scope: str
    made: str
    revoked: str


def _sha(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


class Accounts:
    """The accounts of a ledger's database."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._met: dict[tuple[int, str], tuple[float, Any]] = {}

    def _lately(self, secret: str, find: Callable[[str], Any]) -> Any:
        """What was found for a secret less than RECENT seconds ago, while this process changed nothing; else anew."""
        key, moment = (self.ledger.changed, secret), time.monotonic()
        met = self._met.get(key)
        if met is not None and moment - met[0] < RECENT:
            return met[1]
        found = find(secret)
        if len(self._met) >= REMEMBERED:
            self._met.clear()
        if found is not None:  # a guess is not worth remembering
            self._met[key] = (moment, found)
        return found

    def any(self) -> bool:
        """Whether anybody can sign in."""
        return bool(self.ledger.find("accounts", closed=""))

    def listed(self) -> list[Account]:
        """Every account that is open."""
        return [Account(row["name"], row["partner"], row["role"]) for row in self.ledger.find("accounts", closed="")]

    def add(self, name: str, partner: str, role: str, password: str, subject: str = "") -> Account | Refused:
        """Opens an account, with a password, or with a company's subject for OpenID Connect ('issuer|subject')."""
        reasons = []
        if not name or len(name) > 80:
            reasons.append(phrase("a name has 1 to 80 letters"))
        if role not in ROLES:
            reasons.append(phrase("role: one of {roles}", roles=", ".join(ROLES)))
        if role != "host" and partner not in self.ledger.state().partners:
            reasons.append(phrase("no partner '{name}': the host records who joins", name=partner))
        if not subject and len(password) < SHORTEST:
            reasons.append(phrase("a password has at least {n} characters", n=SHORTEST))
        if self.ledger.find("accounts", name=name):
            reasons.append(phrase("the account '{name}' exists, or existed: choose another name", name=name))
        if reasons:
            return Refused(tuple(reasons))
        secret = _HASHER.hash(password) if password else ""
        self.ledger.add(
            "accounts", name=name, partner=partner, role=role, secret=secret, subject=subject, made=now(), closed=""
        )
        return Account(name, partner, role)

    def invite(self, name: str, partner: str, role: str, password: str = "") -> tuple[Account, str] | Refused:
        """Opens an account from the page, and its password: one that is made here where none is given.

        The first account is a host's: with it the page asks everybody to sign in.
        """
        if role != "host" and not self.any():
            return Refused((phrase("open one for a host first: from then on everybody signs in"),))
        if role != "host" and not partner:
            return Refused((phrase("choose the partner that the person speaks for"),))
        secret = password or secrets.token_urlsafe(12)
        made = self.add(name, "" if role == "host" else partner, role, secret)
        return made if isinstance(made, Refused) else (made, secret)

    def change_password(self, name: str, old: str, new: str, keep: Session | None) -> Refused | None:
        """Sets another password for who knows the present one, and ends the account's sessions but `keep`."""
        opened = self.sign_in(name, old, "")
        if isinstance(opened, Refused):
            return opened
        if len(new) < SHORTEST:
            self.sign_out(opened[1])
            return Refused((phrase("a password has at least {n} characters", n=SHORTEST),))
        self.ledger.change("accounts", {"name": name}, secret=_HASHER.hash(new))
        for row in self.ledger.find("sessions", account=name):
            if keep is None or row["id"] != keep.id:
                self.ledger.drop("sessions", id=row["id"])
        return None

    def close_other(self, name: str, by: str) -> Refused | None:
        """Closes somebody else's account: who closed the last host's would lock everybody out."""
        if name == by:
            return Refused((phrase("an account is closed by another host, or on the command line"),))
        if self._account(name) is None:
            return Refused((phrase("no account '{name}'", name=name),))
        self.close(name)
        return None

    def close(self, name: str) -> None:
        """Closes an account, its sessions and its tokens; its name stays taken, for the record names it."""
        self.ledger.change("accounts", {"name": name}, closed=now())
        self.ledger.drop("sessions", account=name)
        self.ledger.change("tokens", {"account": name}, revoked=now())

    def sign_in(self, name: str, password: str, origin: str) -> tuple[str, Session] | Refused:
        """A new session and its secret, or why not: the same words whether the name or the password is wrong."""
        since = _stamp(datetime.now(UTC) - WINDOW)
        tried = self.ledger.find("attempts", since=since)
        if (
            sum(row["account"] == name for row in tried) >= MOST
            or sum(row["origin"] == origin for row in tried) >= 4 * MOST
        ):
            minutes = int(WINDOW.total_seconds() // 60)
            return Refused((phrase("too many failed sign-ins: wait {minutes} minutes", minutes=minutes),))
        rows = self.ledger.find("accounts", name=name, closed="")
        try:
            _HASHER.verify(rows[0]["secret"] if rows and rows[0]["secret"] else _nobody(), password)
            good = bool(rows and rows[0]["secret"])
        except (VerificationError, InvalidHashError):
            good = False
        if not good:
            self.ledger.add("attempts", account=name[:80], origin=origin[:80], at=now())
            return Refused((phrase("name and password do not fit"),))
        self.ledger.drop("attempts", account=name)
        return self._open(Account(rows[0]["name"], rows[0]["partner"], rows[0]["role"]))

    def sign_in_as(self, subject: str) -> tuple[str, Session] | Refused:
        """A session for the account of a company's subject that its provider vouched for."""
        rows = self.ledger.find("accounts", subject=subject, closed="")
        if not rows or not subject:
            return Refused((phrase("your company's account is not known here: ask the host to open one for you"),))
        return self._open(Account(rows[0]["name"], rows[0]["partner"], rows[0]["role"]))

    def _open(self, account: Account) -> tuple[str, Session]:
        secret, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(24)
        moment = datetime.now(UTC)
        self.ledger.drop("sessions", before=_stamp(moment), column="expires")
        self.ledger.add("sessions", id=_sha(secret), account=account.name, csrf=csrf, expires=_stamp(moment + LASTS))
        return secret, Session(account, csrf, _sha(secret))

    def session(self, secret: str) -> Session | None:
        """The session of a cookie, if it is one that has not ended."""
        found: Session | None = self._lately(_sha(secret), self._session)
        return found

    def _session(self, hashed: str) -> Session | None:
        for row in self.ledger.find("sessions", id=hashed):
            account = self._account(row["account"])
            if row["expires"] > now() and account is not None:
                return Session(account, row["csrf"], row["id"])
        return None

    def sign_out(self, session: Session) -> None:
        self.ledger.drop("sessions", id=session.id)

    def _account(self, name: str) -> Account | None:
        rows = self.ledger.find("accounts", name=name, closed="")
        return Account(rows[0]["name"], rows[0]["partner"], rows[0]["role"]) if rows else None

    # --- tokens ---

    def make_token(self, account: Account, name: str, scope: str) -> tuple[str, Token] | Refused:
        """A token and its secret, which is not shown again."""
        if scope not in SCOPES or not 0 < len(name) <= 80:
            return Refused((phrase("scope: one of {scopes}; and a name, to know it by", scopes=", ".join(SCOPES)),))
        secret = f"sy_{secrets.token_urlsafe(32)}"
        made = Token(secrets.token_hex(6), account.name, name, scope, now(), "")
        self.ledger.add(
            "tokens",
            id=made.id,
            account=account.name,
            name=name,
            secret=_sha(secret),
            scope=scope,
            made=made.made,
            revoked="",
        )
        return secret, made

    def tokens(self, account: Account) -> list[Token]:
        rows = self.ledger.find("tokens", account=account.name)
        return [Token(r["id"], r["account"], r["name"], r["scope"], r["made"], r["revoked"]) for r in rows]

    def revoke(self, account: Account, id_: str) -> None:
        self.ledger.change("tokens", {"id": id_, "account": account.name}, revoked=now())

    def bearer(self, secret: str) -> tuple[Account, str] | None:
        """The account and scope of a token, if it is one that was not revoked."""
        found: tuple[Account, str] | None = self._lately(_sha(secret), self._bearer)
        return found

    def _bearer(self, hashed: str) -> tuple[Account, str] | None:
        for row in self.ledger.find("tokens", secret=hashed, revoked=""):
            account = self._account(row["account"])
            if account is not None:
                return account, row["scope"]
        return None
