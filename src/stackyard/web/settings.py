"""How one server is set up."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field

MOST_BYTES = 8 * 1024 * 1024  # of a request; a table of deliveries has some kilobytes


@dataclass(frozen=True)
class Provider:
    """A company's OpenID Connect provider."""

    issuer: str
    client: str
    secret: str


@dataclass(frozen=True)
class Settings:
    """`open_to_one`: no sign-in, for one person on loopback. `secure`: cookies go over TLS only."""

    open_to_one: bool = True
    secure: bool = False
    provider: Provider | None = None
    key: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    hosts: tuple[str, ...] = ()  # names by which the server may be called; any where accounts guard it

    @classmethod
    def from_environment(cls, *, open_to_one: bool, secure: bool) -> Settings:
        """STACKYARD_OIDC_ISSUER, _CLIENT and _SECRET name the provider; STACKYARD_BEHIND_TLS=1 a proxy with TLS."""
        issuer = os.environ.get("STACKYARD_OIDC_ISSUER", "")
        provider = (
            Provider(issuer, os.environ.get("STACKYARD_OIDC_CLIENT", ""), os.environ.get("STACKYARD_OIDC_SECRET", ""))
            if issuer
            else None
        )
        return cls(
            open_to_one=open_to_one,
            secure=secure or os.environ.get("STACKYARD_BEHIND_TLS") == "1",
            provider=provider,
            hosts=("127.0.0.1", "localhost", "[::1]", "testserver") if open_to_one else (),
        )
