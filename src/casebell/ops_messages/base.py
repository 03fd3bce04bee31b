"""What is stored with an alert, and what every message to operations has."""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar, Self

import msgspec

#: In the place of what a confidential case says.
NOT_SAID = "not said of a confidential case"


class Frequency(StrEnum):
    """How often operations may hear the same message."""

    ONCE = "once"
    HOURLY = "hourly"


class Note(msgspec.Struct, frozen=True, kw_only=True, tag_field="topic"):
    """What an alert tells that is no event's."""

    @property
    def topic(self) -> str:
        """The name of its type, as it is stored."""
        return str(self.__struct_config__.tag)


class OpsMessage(Note, frozen=True, kw_only=True):
    """Something that operations must know."""

    frequency: ClassVar[Frequency] = Frequency.ONCE

    @property
    def key(self) -> str:
        """What tells it from other messages of its topic."""
        return ""

    @property
    def urgent(self) -> bool:
        """Whether it is sent before ordinary alerts."""
        return False


class OfCase(OpsMessage, frozen=True, kw_only=True):
    """Something that operations must know, and that tells of an event of a case."""

    #: What is told in the place of fields once the case is confidential.
    unsaid: ClassVar[Mapping[str, str]]

    event: int

    def hushed(self) -> Self:
        """The message without what it says of the case."""
        return msgspec.structs.replace(self, **self.unsaid)
