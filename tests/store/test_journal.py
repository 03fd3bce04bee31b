"""The append-only record."""

import hashlib
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from casebell.json_text import canonical
from casebell.store import journal
from casebell.store.engine import Store
from casebell.store.schema import journal as table
from contracts.examples import few
from contracts.writing import writing

GOLDEN = (
    '[7,1760469723000000,"delivery.stored","source:parley","event:1",'
    '{"empty":null,"key":"evt_1","text":"Aprobó «el caso» \\"ñ\\""}]'
)
#: `(printf '\\0'; printf '%s' "$GOLDEN") | sha256sum`, with coreutils.
GOLDEN_LEAF = "b3d9e15a8eefe0243598bc85c0a900db1c5fce2d03b57ed9999b7a1e3957bde9"


def entry(**fields: Any) -> journal.Entry:
    """An entry whose fields do not matter."""
    return journal.Entry(
        **{"at": 1, "kind": "test.done", "actor": "test", "subject": "event:1", **fields}
    )


def test_golden_vector() -> None:
    """The canonical bytes and the leaf hash of an entry never change: old journals must verify."""
    data = canonical({"text": 'Aprobó «el caso» "ñ"', "key": "evt_1", "empty": None})
    told = journal.entry_bytes(
        seq=7,
        at=1760469723000000,
        kind="delivery.stored",
        actor="source:parley",
        subject="event:1",
        data=data,
    )
    assert told == GOLDEN.encode("utf-8")
    assert journal.leaf_hash(told).hex() == GOLDEN_LEAF


words = st.text(st.characters(codec="utf-8"))


@few
@given(
    st.tuples(st.integers(1), st.integers(), words, words, words),
    st.dictionaries(words, st.one_of(words, st.integers(), st.none(), st.lists(words))),
)
def test_canonical_bytes_are_json(
    columns: tuple[int, int, str, str, str], data: dict[str, Any]
) -> None:
    """Whatever an entry holds, its bytes are a JSON array of its six columns, so none can shift."""
    seq, at, kind, actor, subject = columns
    told = journal.entry_bytes(
        seq=seq, at=at, kind=kind, actor=actor, subject=subject, data=canonical(data)
    )
    assert json.loads(told) == [*columns, data]


@given(st.dictionaries(words, words))
def test_order_of_keys_is_nothing(data: dict[str, str]) -> None:
    """Equal data has equal bytes."""
    turned = dict(reversed(data.items()))
    assert canonical(data) == canonical(turned)


def test_digest_takes_any_text() -> None:
    """A text is named by its SHA-256; one that UTF-8 cannot say has a digest, too."""
    assert journal.digest("é") == hashlib.sha256(b"\xc3\xa9").hexdigest()
    assert journal.digest("\ud800") != journal.digest("\udfff")


async def test_sequence_goes_on(store: Store) -> None:
    """Entries are numbered from 1, each batch after the last; an empty one takes no number."""
    async with writing(store) as connection:
        assert await journal.append(connection, []) == 0
        assert await journal.append(connection, [entry(), entry()]) == 2
    async with writing(store) as connection:
        assert await journal.append(connection, []) == 2
        assert await journal.append(connection, [entry()]) == 3


async def test_the_last_entry(store: Store) -> None:
    """Its number and its time, which need not be the highest: a clock may have been set back."""
    async with store.read() as connection:
        assert await journal.latest_sequence(connection) == 0
        assert await journal.latest_time(connection) is None
    async with writing(store) as connection:
        await journal.append(connection, [entry(at=9), entry(at=5)])
    async with store.read() as connection:
        assert await journal.latest_sequence(connection) == 2
        assert await journal.latest_time(connection) == 5


async def test_stored_leaf(store: Store) -> None:
    """What is stored gives the stored leaf again, whatever letters it is made of."""
    texts = ['"quoted"', "back\\slash", "línea\nnueva", "受領番号 🗽", "\u2028"]
    async with writing(store) as connection:
        await journal.append(connection, [entry(subject=text, data={text: text}) for text in texts])
    async with store.read() as connection:
        rows = (await connection.execute(select(table).order_by(table.c.seq))).all()
    for row, text in zip(rows, texts, strict=True):
        quoted = json.dumps(text, ensure_ascii=False)
        told = f'[{row.seq},1,"test.done","test",{quoted},{{{quoted}:{quoted}}}]'.encode()
        assert bytes(row.leaf) == hashlib.sha256(b"\0" + told).digest()
        assert (row.subject, json.loads(row.data)) == (text, {text: text})
