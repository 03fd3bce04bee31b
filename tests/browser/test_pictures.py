"""The script that makes the documentation's pictures still finds what is on them."""

from pathlib import Path

import pytest
from playwright.async_api import Browser

from browser.pictures import MAX_SIZE, PICTURES, make_pictures

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]


def content_of(folder: Path) -> dict[str, bytes]:
    """The files in a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


async def test_each_is_made(browser: Browser, tmp_path: Path) -> None:
    """The demo is played, and every picture of it is taken, as a small WebP."""
    await make_pictures(browser, tmp_path)
    made = content_of(tmp_path)
    assert set(made) == {picture.file for picture in PICTURES}
    for name, content in made.items():
        assert (content[:4], content[8:12]) == (b"RIFF", b"WEBP"), name
        assert 5_000 < len(content) < MAX_SIZE, name
