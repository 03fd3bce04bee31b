"""Values that nobody changes, at the price of those that anybody could.

A frozen dataclass takes three times as long to make, and every delivery makes a few anew. Those are
frozen by the type checker alone (docs/decisions/0010); all others at run time, too.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass as value
else:

    def value(*, frozen: bool, **options: Any) -> Any:
        """`dataclass(frozen=True, …)`, as the type checker sees it."""
        return dataclass(unsafe_hash=frozen, **options)


__all__ = ["value"]
