"""The smallest configuration, and the types of the fixtures that load one."""

from collections.abc import Callable
from typing import TypeAlias

from casebell.errors import Problem
from casebell.settings import Settings

#: Text of a configuration, and the environment.
ReadConfig: TypeAlias = Callable[..., Settings]
#: The same; the problems by key.
ReadProblems: TypeAlias = Callable[..., dict[str, Problem]]

#: The least that is accepted; texts of tests are added to it.
MINIMAL = """
[sources.parley]
kind = "parley"
secrets = ["0123456789abcdef"]
"""
