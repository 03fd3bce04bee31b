"""Receipt numbers: one spelling in, everything else refused."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casebell.uscis.receipts import MAX_RAW, ReceiptError, canonical, is_staging, mask, mask_in_log

RECEIPTS = st.from_regex(r"[A-Z]{3}[0-9]{10}", fullmatch=True)
SEPARATORS = (
    " \t\n\u00a0\u2003\u3000-\u00ad\u2010\u2011\u2012\u2013\u2014\u2015\u2212\uff0d\ufe63*\uff0a"
)
FULL_WIDTH = {ord(char): ord(char) + 0xFEE0 for char in "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"}


@pytest.mark.parametrize(
    "raw",
    [
        "IOE0912345678",
        "ioe0912345678",
        " IOE 0912-345-678\n",
        "IOE*0912345678",
        "IOE\u20110912\u2013345\u2014678",
        "I\u00adO\u00adE0912345678",
        "IOE\u22120912345678",
        "\uff29\uff2f\uff25\uff10\uff19\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18",
        "\uff49\uff4f\uff45\u30000912345678",
        "-IOE0912345678*",
    ],
)
def test_known_spellings_are_one_receipt(raw: str) -> None:
    """Case, width, white space, dashes and asterisks make no difference."""
    assert canonical(raw) == "IOE0912345678"


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "A123456789",  # an A-number
        "IOE091234567",
        "IOE09123456789",
        "I0E0912345678",  # digit 0 in the letters
        "IOEO912345678",  # letter O in the digits
        "IO0912345678E",
        "IOE0912345678x",
        "IOE_0912345678",
        "IOE.0912345678",
        "IOE/0912345678",
        "IOE#0912345678",
        "IOE\u200b0912345678",  # zero-width space
        "\ufeffIOE0912345678",  # byte order mark
        "IOE0912345678\x00",
        "IOE\x1c0912345678",
        "IOE\x7f0912345678",
        "IOE\u202e0912345678",
        "IOE\u0660\u0669\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668",  # Arabic digits
        "IOE\u0966912345678",  # a Devanagari zero
        "I\u041eE0912345678",  # Cyrillic O
        "\u0399OE0912345678",  # Greek Iota
        "\u0131OE0912345678",  # dotless i, upper-cases to I
        "\u017fRC0912345678",  # long s, upper-cases to S
        "\ufb01E0912345678",  # the ligature fi
        "\u00dfC0912345678",  # sharp s, upper-cases to SS
        "\u2160OE0912345678",  # Roman numeral one
        "\u24beOE0912345678",  # circled I
        "\U0001d408OE0912345678",  # mathematical bold I
        "IOE091234567\u2078",  # superscript 8
        "IOE091234567\u2467",  # circled 8
        "LI\u212a0912345678",  # Kelvin sign
        "I\u0301OE0912345678",
        "\ud800IOE0912345678",
        "IOE0912345678 IOE0912345678",
    ],
)
def test_anything_else_is_refused(raw: str) -> None:
    """Any other spelling is refused, never dropped, guessed or transliterated."""
    with pytest.raises(ReceiptError):
        canonical(raw)


def test_long_input_is_refused_before_any_work() -> None:
    """Separators do not buy an unbounded input."""
    assert canonical(" " * (MAX_RAW - 13) + "IOE0912345678") == "IOE0912345678"
    with pytest.raises(ReceiptError):
        canonical(" " * (MAX_RAW - 12) + "IOE0912345678")


def test_the_error_never_quotes_the_input() -> None:
    """A refused receipt may be an A-number or a name; the error text goes into logs."""
    with pytest.raises(ReceiptError) as caught:
        canonical("A098765432")
    assert "098765432" not in str(caught.value)


@given(RECEIPTS, st.data())
def test_separators_case_and_width_never_matter(receipt: str, data: st.DataObject) -> None:
    """Any mix of named separators, lower case and full-width characters reads as the receipt."""
    raw = ""
    for char in receipt:
        form = data.draw(st.sampled_from([char, char.lower(), char.translate(FULL_WIDTH)]))
        raw += data.draw(st.text(SEPARATORS, max_size=3)) + form
    assert canonical(raw) == receipt
    assert canonical(canonical(raw)) == receipt


@given(st.text(max_size=80))
def test_any_text_is_a_receipt_or_refused(raw: str) -> None:
    """No text raises anything but ReceiptError, and what passes is three letters and ten digits."""
    try:
        receipt = canonical(raw)
    except ReceiptError:
        return
    assert len(receipt) == 13
    assert receipt.isascii()
    assert receipt[:3].isupper()
    assert receipt[3:].isdecimal()


@given(RECEIPTS, st.integers(0, 12), st.characters())
def test_a_foreign_character_never_passes(receipt: str, at: int, char: str) -> None:
    """Replacing one character passes only for ASCII and full-width letters and digits."""
    raw = receipt[:at] + char + receipt[at + 1 :]
    try:
        result = canonical(raw)
    except ReceiptError:
        return
    assert char.isascii() or unicodedata.name(char).startswith("FULLWIDTH")
    assert result[at] == unicodedata.normalize("NFKC", char).upper()


@given(RECEIPTS)
def test_mask_keeps_prefix_and_last_four(receipt: str) -> None:
    """A masked receipt shows three letters and four digits, and how many others is not said."""
    masked = mask(receipt)
    assert masked == receipt[:3] + "…" + receipt[9:]
    assert mask_in_log(receipt) == receipt[:3] + "******" + receipt[9:]


@pytest.mark.parametrize("text", ["", "A098765432", "IOE091234567", "Jane Doe", "IOE0912345678\n"])
def test_mask_shows_nothing_of_what_is_not_a_receipt(text: str) -> None:
    """Something that is no receipt is masked entirely."""
    assert mask(text) == "…"
    assert mask_in_log(text) == "******"


@pytest.mark.parametrize(
    ("receipt", "staging"),
    [
        ("EAC9999103403", True),
        ("LIN9999106498", True),
        ("SRC9999102777", True),
        ("SRC9999202777", False),
        ("EAC9998103403", False),
        ("IOE9999103403", False),
        ("ABC1234567890", False),
    ],
)
def test_official_staging_receipts_are_known(receipt: str, staging: bool) -> None:
    """The staging service's own prefixes are test cases; others are not."""
    assert is_staging(receipt) is staging
