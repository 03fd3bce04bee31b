"""The page behind an alert's link."""

from starlette.requests import Request

from casebell.http.event_page import event_page


async def test_the_page_of_a_link_shows_no_data() -> None:
    """Where an alert's link leads, nothing is told but the command to use."""
    request = Request({"type": "http", "path_params": {"id": "12"}, "headers": []})
    response = await event_page(request)
    text = bytes(response.body).decode()
    assert "casebell why 12" in text
    assert "IOE" not in text
    assert response.headers["content-security-policy"].startswith("default-src 'none'")
