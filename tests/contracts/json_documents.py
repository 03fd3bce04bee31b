"""JSON documents for generated tests: values of every kind, nested, and quick to make."""

from hypothesis import strategies as st

_TEXTS = st.text(max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | _TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXTS, inner, max_size=4),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(_TEXTS, VALUES, max_size=4)
