"""Signing in with a key, for people: `/login` and `/logout`."""

from __future__ import annotations

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from taketwo.server.access import COOKIE, SIGNED_IN_FOR, Keys, Refused
from taketwo.server.pages.drawing import page
from taketwo.server.pages.forms import filled_in, text_of
from taketwo.server.pages.shell import LOGIN, Shell

START = "/sessions"


class Login:
    """Takes a key once, and gives the browser a cookie for it."""

    def __init__(self, keys: Keys) -> None:
        """Ask these keys."""
        self._keys = keys

    def routes(self) -> list[Route]:
        """The addresses."""
        return [
            Route("/login", self.form, name="sign_in"),
            Route("/login", filled_in(self.sign_in), methods=["POST"]),
            Route("/logout", filled_in(self.sign_out), methods=["POST"]),
        ]

    def form(self, request: Request) -> Response:
        """Where the key is filled in."""
        return page("login.html", Shell(section=LOGIN), to=_own_path(request.query_params.get("to", "")), wrong=None)

    def sign_in(self, request: Request, form: FormData) -> Response:
        """Take the key and go on to where the person came from."""
        to = _own_path(text_of(form, "to"))
        try:
            token = self._keys.sign_in(text_of(form, "key"), request.client.host if request.client else "")
            wrong, status = "That is no key that may look at anything here.", 403
        except Refused as error:
            token, wrong, status = None, error.why, error.status
        if token is None:
            refusal = page("login.html", Shell(section=LOGIN), to=to, wrong=wrong)
            refusal.status_code = status
            return refusal
        answer = RedirectResponse(to, 303)
        answer.set_cookie(
            COOKIE,
            token,
            max_age=int(SIGNED_IN_FOR.total_seconds()),
            httponly=True,
            samesite="lax",
            secure=request.url.scheme == "https",
        )
        return answer

    def sign_out(self, request: Request, form: FormData) -> Response:
        """Forget the cookie, here and in the browser."""
        if token := request.cookies.get(COOKIE):
            self._keys.sign_out(token)
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(COOKIE)
        return answer


def _own_path(to: str) -> str:
    """A path on this server; nobody is sent elsewhere after signing in."""
    return to if to.startswith("/") and not to.startswith(("//", "/\\")) else START
