"""How the keys of a value are described."""

from pydantic import ConfigDict, with_config

#: What stands under a key describes it, in the description of the API too.
described = with_config(ConfigDict(use_attribute_docstrings=True))
