"""The login page: it changes the token for a cookie."""

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from flows.web.guards import COOKIE, LOGIN, Token, too_many_tries
from flows.web.rendering import render_page

router = APIRouter(include_in_schema=False)
_DAYS = 30


@router.get(LOGIN)
def show_login() -> HTMLResponse:
    """Show the form."""
    return render_page("login.html", "")


@router.post(LOGIN)
async def log_in(request: Request) -> Response:
    """Set the cookie, if the token is right. It ends with the browser's month, and no other site gets it sent."""
    token: Token | None = request.app.state.token
    if token is None:
        return RedirectResponse("/", 303)
    client = request.client.host if request.client else ""
    if token.is_blocked(client):
        return too_many_tries()
    async with request.form(max_files=0, max_fields=5) as form:
        given = form.get("token")
    if not isinstance(given, str) or not token.is_right(given.strip(), client):
        page = render_page("login.html", "", problem="This token is wrong.")
        page.status_code = 401
        return page
    response = RedirectResponse("/", 303)
    is_secure = request.url.scheme == "https"
    response.set_cookie(
        COOKIE, token.cookie, max_age=_DAYS * 86400, httponly=True, samesite="strict", secure=is_secure
    )
    return response
