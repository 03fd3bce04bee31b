"""The page behind an alert's link, while there is no console."""

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from casebell.http.answers import row_number


async def event_page(request: Request) -> Response:
    """The page: without data of the case, only the command that shows them."""
    number = row_number(request)
    return HTMLResponse(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Casebell</title>"
        "<body style='font:16px/1.5 system-ui;max-width:36em;margin:4em auto;padding:0 1em'>"
        f"<h1>Casebell event {number}</h1><p>This release has no web console, so this page shows "
        "nothing of the case. Whoever runs Casebell can see everything about it with:</p>"
        f"<pre>casebell why {number}</pre></html>",
        headers={"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"},
    )
