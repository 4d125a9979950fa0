"""The login page: it changes the token for a cookie."""

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from flows.web.guards import COOKIE, LOGIN, Token, too_many_tries

router = APIRouter(include_in_schema=False)
_DAYS = 30
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>tonelake: log in</title>
<link rel="stylesheet" href="/static/style.css">
<main>
<h1>tonelake</h1>
<form method="post" action="/login">
<p>{message}</p>
<p><label>Token <input type="password" name="token" autocomplete="current-password" required autofocus></label></p>
<p><button>Log in</button></p>
</form>
</main>
</html>
"""


@router.get(LOGIN)
def show_login() -> HTMLResponse:
    """Show the form."""
    return HTMLResponse(_PAGE.format(message="This service asks for a token: TONELAKE_TOKEN of whoever started it."))


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
        return HTMLResponse(_PAGE.format(message="This token is wrong."), 401)
    response = RedirectResponse("/", 303)
    is_secure = request.url.scheme == "https"
    response.set_cookie(
        COOKIE, token.cookie, max_age=_DAYS * 86400, httponly=True, samesite="strict", secure=is_secure
    )
    return response
