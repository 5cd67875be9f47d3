"""Signing in with a company's own account: OpenID Connect, authorization code with PKCE, by Authlib.

The provider vouches for a subject; the account here is the one that the host opened for 'issuer|subject'. What travels
between the two steps (state, nonce, verifier) stands in a signed cookie that lives for ten minutes.
"""

from __future__ import annotations

import logging
from functools import cache
from typing import Any

from authlib.integrations.base_client import OAuthError
from authlib.integrations.starlette_client import OAuth
from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from stackyard.alliance.decide import Refused
from stackyard.web.account import with_session
from stackyard.web.app import Told, server
from stackyard.web.settings import Provider
from stackyard.words import phrase

routes = APIRouter()
COOKIE, SECONDS = "stackyard_company", 600
LOG = logging.getLogger("stackyard.web")


@cache
def _client(provider: Provider) -> Any:
    """The provider's client; what the provider is like is read from its own description when it is first used."""
    made = OAuth()
    return made.register(
        "company",
        client_id=provider.client,
        client_secret=provider.secret,
        server_metadata_url=f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration",
        client_kwargs={"scope": "openid", "code_challenge_method": "S256"},
    )


def _provider(request: Request) -> Provider:
    found = server(request).settings.provider
    if found is None:
        raise Told(404, phrase("There is nothing here"), (phrase("no company is set up to sign in with"),))
    return found


@routes.get("/sign-in/company")
async def company(request: Request) -> Response:
    """Sends a browser to the company's provider."""
    client = _client(_provider(request))
    try:
        answer: Response = await client.authorize_redirect(request, str(request.url_for("back")))
    except Exception as error:
        LOG.warning("the company's provider does not answer: %r", error)
        raise Told(
            503, phrase("Not now"), (phrase("your company's sign-in does not answer: try again, or sign in by name"),)
        ) from None
    return answer


@routes.get("/sign-in/back")
async def back(request: Request) -> Response:
    """Takes the provider's answer, checks it, and opens a session for the account of its subject."""
    parts, provider = server(request), _provider(request)
    try:
        told = await _client(provider).authorize_access_token(request)
        claims = told["userinfo"]
        subject = f"{claims['iss']}|{claims['sub']}"
    except OAuthError as error:
        raise Told(
            401,
            phrase("Not signed in"),
            (phrase("your company's sign-in was not completed: {error}", error=error.error),),
        ) from None
    except Exception as error:  # an answer that cannot be read or checked is no answer
        LOG.warning("an answer of the company's provider was refused: %r", error)
        raise Told(
            401, phrase("Not signed in"), (phrase("your company's answer could not be checked: start again"),)
        ) from None
    opened = await run_in_threadpool(parts.accounts.sign_in_as, subject)
    if isinstance(opened, Refused):
        raise Told(403, phrase("Not signed in"), opened.reasons)
    return with_session(RedirectResponse("/", 303), opened, parts.settings)
