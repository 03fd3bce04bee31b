"""What axe-core says of a page, and the contrasts that it cannot decide."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from playwright.async_api import Page

_AXE = (Path(__file__).parent / "vendor/axe-4.14.1.min.js").read_text(encoding="utf-8")
#: The least ratio of ordinary text to what is behind it (WCAG 2.2, success criterion 1.4.3).
CONTRAST = 4.5
#: The ratio of an element's text to the nearest colour behind it (WCAG 2.2, relative luminance).
_CONTRAST = """element => {
  const parts = colour => colour.match(/[0-9.]+/g).map(Number);
  const luminance = colour => {
    const [r, g, b] = parts(colour).slice(0, 3).map(one => {
      const c = one / 255;
      return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  let behind = element;
  const back = () => parts(getComputedStyle(behind).backgroundColor);
  while (behind.parentElement && back().length === 4 && back()[3] === 0) {
    behind = behind.parentElement;
  }
  const [a, b] = [getComputedStyle(element).color, getComputedStyle(behind).backgroundColor]
    .map(luminance).sort((x, y) => y - x);
  return (a + 0.05) / (b + 0.05);
}"""


async def problems(page: Page) -> Sequence[str]:
    """What axe-core finds, and what it cannot decide and is wrong: rule, and where.

    Of a contrast that it cannot decide, the ratio is measured.
    """
    await page.evaluate(_AXE)
    found: Mapping[str, Any] = await page.evaluate("axe.run(document)")
    wrong = [_listed(rule, node) for rule, node in _nodes(found["violations"])]
    for rule, node in _nodes(found["incomplete"]):
        if rule == "color-contrast":
            ratio = await page.locator(node["target"][0]).first.evaluate(_CONTRAST)
            if ratio >= CONTRAST:
                continue
        wrong.append(f"undecided: {_listed(rule, node)}")
    return wrong


def _nodes(results: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for one in results:
        for node in one["nodes"]:
            yield one["id"], node


def _listed(rule: str, node: Mapping[str, Any]) -> str:
    return f"{rule}: {json.dumps(node['target'])} {node['html'][:120]}"
