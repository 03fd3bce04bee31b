"""Takes a USCIS status text apart, down to what it states.

`plain_text` decodes and folds the text; `sentences` drops particulars (dates, receipts, form names,
addresses) and splits; `statements` cuts conditions, possibilities and plans off a sentence, and
sets reasons and relative clauses apart.
"""

import html
import re
import unicodedata
from collections.abc import Iterator
from functools import cache

#: Characters of the folded text that are read. Descriptions have 300 to 900.
READ_LIMIT = 8_000

# --- 1. One spelling ----------------------------------------------------------------------------

#: `html.unescape` cannot read a numeric entity of thousands of digits; none has more than seven.
_ENDLESS = re.compile(r"&#[0-9]{8,}")
_BLOCK_TAG = re.compile(r"</?(?:p|div|h[1-6]|[uo]l|li|table|t[drh])\b[^<>]*>", re.IGNORECASE)
#: Where a description begins on a line of its own, below its title.
_NEXT_LINE = re.compile(
    r"(?<=\S)\s+(?=(?:We|On|As of|Your?|Please|Respond|If|El|En|Al|Le|Si|Su|Usted|Responda"
    r"|[A-Z][a-z]+[aei]mos)\b)"
)
#: Where another line begins that may stand by itself.
_LINE = re.compile(r"(?<=[^\W_])[^\w\n]{0,3}\n\s*(?=[A-Z\u00c0-\u00de\u00bf\u00a1])")
_BREAK_TAG = re.compile(r"<[bh]r\b[^<>]*>", re.IGNORECASE)
_TAG = re.compile(r"<[/!a-z][^<>]*>", re.IGNORECASE)
_APOSTROPHES = re.compile("[\u0027\u0060\u00b4\u2018\u2019\u201b\u02bc\u02b9\u2032\uff07]")
#: Combining marks (after decomposition) and invisible characters.
_INVISIBLE = re.compile(
    "[\u0300-\u036f\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]"
)
_NOT_WORD = re.compile(r"[\W_]+")


def decoded(text: str) -> str:
    """The text with its HTML entities decoded, twice: "&amp;#039;" is an apostrophe. Never raises.

    Relays like to encode them once more than they should.
    """
    for _ in range(2):
        if "&" not in text:
            break
        # Before each decoding: the first can set such an entity free ("&amp;#000…").
        text = html.unescape(_ENDLESS.sub(" ", text))
    return text


def plain_text(text: str) -> str:
    """Decoded, folded, but still with its punctuation."""
    text = _without_tags(text)
    if "\n" in text:
        text = _NEXT_LINE.sub(lambda gap: ". " if "\n" in gap[0] else gap[0], text)
    return _folded(text)


def lines(text: str) -> list[str]:
    """What stands on lines of its own, folded: each begins with a capital, after words."""
    text = _without_tags(text)[:READ_LIMIT]
    if "\n" not in text:
        return []
    first, *more = map(_folded, _LINE.split(text))
    return [first, *more] if " " in first else []


def _without_tags(text: str) -> str:
    text = decoded(text)
    if "<" in text:
        text = _TAG.sub("", _BREAK_TAG.sub("\n", _BLOCK_TAG.sub(". ", text)))
    return text


def _folded(text: str) -> str:
    text = _APOSTROPHES.sub("", text)
    if not text.isascii():
        text = _INVISIBLE.sub("", unicodedata.normalize("NFKD", text))
    return " ".join(text.casefold().split())


def words_of(plain: str) -> str:
    """The words alone, one space between them."""
    return _NOT_WORD.sub(" ", plain).strip()


def text_key(text: str) -> str:
    """The text in one spelling: texts with equal keys say the same.

    Entities decoded, tags stripped, apostrophes, accents and invisible characters dropped, case,
    punctuation and white space folded.
    """
    return words_of(plain_text(text))


# --- 2. Sentences without particulars -----------------------------------------------------------

#: "Case status: Case Was Approved."
_LABEL = re.compile(
    r"^[\W_]*(?:(?:the|your|my|our|current|latest|new|last|official|full|raw|case|petition|uscis"
    r"|application|immigration|receipt|text|el|su|mi|del?|caso|nuevo|actual) ){0,4}"
    r"(?:status|estatus|estado)"
    r"(?:(?: (?:is|now|as|of|for|the|your|my|case|update|title|text|uscis|online|del?|su|mi|caso"
    r"|actual|es)){0,4} ?[:=]| ?[\u2013\u2014-]+ )[\W_]*(?=\w)"
)
_ADDRESS = re.compile(r"(?:https?://|www\.)[^\s,;]+")
_RECEIPTS = tuple(
    re.compile(rf"{label}[:# ]{{0,4}}[a-z]{{3}}[0-9a-z*-]{{4,14}}")
    for label in ("receipt number", "numero de recibo")
)
_MONTH = (
    "(?:january|february|march|april|may|june|july|august|september|october|november|december"
    "|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|enero|febrero|marzo|abril|mayo|junio|julio"
    "|agosto|septiembre|octubre|noviembre|diciembre)"
)
_DATE = (
    rf"\b(?:{_MONTH}\.? (?:[0-9]{{1,2}}(?:st|nd|rd|th)?(?:,? [0-9]{{4}})?|[0-9]{{4}})\b"
    rf"|[0-9]{{1,2}} (?:de )?{_MONTH}(?:,? (?:del? )?[0-9]{{4}})?\b"
    r"|[0-9]{1,4}[/-][0-9]{1,2}[/-][0-9]{1,4}\b)"
)
#: "On October 14, 2025, we ...": where the description begins, also straight after a title.
_OPENING = re.compile(
    rf"\b(?:on|as of|a partir del|el|en|al) {_DATE},? (?=(?:we|uscis|le|se|su|[a-z]+[aei]mos)\b)"
)
_ANY_DATE = re.compile(_DATE)
#: Words of what a sentence states, which no form's title holds. Any word in "-ed" may be a verdict.
_STATED = (
    r"(?:was|were|is|are|has|have|had|been|we|you|your|our|uscis(?! interview)|will|may|can|could"
    r"|not|never|which|that|because|since|after(?! deportation)|sent|held|withdrawn|withdrew"
    r"|evidence|(?!(?:abused|accredited|amended|approved|based|deferred|interpreted|involved"
    r"|protected|reduced|united)\b)\w+ed|approved(?! (?:applications?|petitions?|form))"
    r"|den(?:y|ial)|rejection|revo(?:ke|cation)|resc(?:ind|ission)|terminat(?:e|ion)|dismissal|eligible"
    r"|ineligible|unable"
    r"|(?:for|para) (?:an?|the|una|la|su) (?:interview|appointment|oath|entrevista|cita|ceremonia)"
    r"|(?:to|a) (?:another|(?:an?|the) (?:new|local|different|department|national|appropriate)|otra"
    r"|la oficina|el departamento)|on hold|in error"
    r"|su|sus|le|se|nos|nuestr[oa]|usted|no(?! inmigrantes?)|fue|fueron|ha|han|esta|aun|porque"
    r"|(?<!o peticion )aprobad[oa]|(?:deneg|rechaz|revoc|rescind|termin|cancelad|anulad|retirad"
    r"|reabiert|enviad|recibid|programad|transferid|evidencia)\w*)\b"
)
_NAME_WORD = rf"(?!{_STATED})(?:u\.s\.|[\w()/&-]+)"
#: "..., Parole Documents, and Arrival/Departure Records": a title's own commas.
_LISTED = (
    rf"(?:(?:, {_NAME_WORD}(?: {_NAME_WORD}){{0,3}}){{0,4}},? (?:and|or|y|o|u|e) "
    rf"(?!(?:an?|the|el|la|una?)\b|\w+(?:ed|[aei]mos)\b){_NAME_WORD}(?: {_NAME_WORD}){{0,12}})"
)
#: "your Form I-485, Notice of Intent to Deny": this is no title of the form.
_NOTICE = (
    r"(?!(?:notices?|letters?|aviso|notificacion) (?:of|de) (?!appeal|entry|apelacion|cambio)"
    r"|intent|intencion|responses?|respuesta|decision|withdrawal"
    r"|(?:requests?|solicitud|peticion|pedido) (?:for|de|por) "
    r"(?:(?:initial|additional|further|more|new|and|adicional|inicial|mas) ){0,3}"
    r"(?:evidence|documents|information|evidencia|pruebas?|informacion)\b)"
)
_TITLE_START = (
    r"(?:application|petition|request|notice|consideration|report|registration|supplement(?:al)?"
    r"|affidavit|semiannual|waiver|(?:non)?immigrant|refugee|declaration|record|online|medical"
    r"|contract|confirmation|biographic|inter-?agency|immigration|public|genealogy|freedom|bona"
    r"|verification|e-notification|authorization|aliens|sponsors|regional|annual|adjustment"
    r"|solicitud|peticion|notificacion|declaracion|registro|informacion|informe|tarjeta|acta"
    r"|autorizacion|certificacion|contrato|consideracion)\b"
)
#: A form with its title, which holds words that would mislead: "Notice of Appeal or Motion". Before
#: the receipt number anything is its title, elsewhere what begins as a title does.
_FORM = (
    r"\b(?:form(?:ulario)? ([a-z]{1,4}[- ]?[0-9]{2,4}[a-z]{0,3})"
    r"|([a-z]{1,4}-[0-9]{2,4}[a-z]{0,3}))\b(?: \([^()]{0,60}\))?"
    rf"(?:,? {_NOTICE}(?:{_NAME_WORD},? ){{1,40}}(?=\(?(?:receipt number|numero de recibo)\b)"
    rf"|, (?:supplement \w{{1,2}}(?: to form [a-z]-[0-9]+)?,? )?{_NOTICE}(?={_TITLE_START})"
    rf"{_NAME_WORD}(?: {_NAME_WORD}){{0,24}}{_LISTED}{{0,2}})?"
)
#: "Your Application for Waiver of Grounds of Inadmissibility".
_NAMED = (
    rf"\b(?:application|petition) (?!{_STATED})(?:for|to|by|of)"
    rf"(?: {_NAME_WORD}){{1,24}}{_LISTED}{{0,2}}"
)
#: Filings that ride on another case; their receipt or approval says nothing of that case.
_SIDE_FORMS = {
    "g-28": "attorney appearance",
    "i-862": "notice to appear",
    "i-907": "premium processing request",
    "i-912": "fee waiver request",
    "n-445": "oath ceremony notice",
}
#: A full stop ends a sentence, except inside "U.S.".
_STOP = re.compile(r"[.!?;\u2022|](?= |$)(?<!\.\w.)")
#: So does a dash between a title and its description.
_DASH = re.compile(
    r" [\u2013\u2014-]+ (?=(?:we|on|as of|your|uscis|el|en|al|le|su|[a-z]+[aei]mos)\b)"
)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Compiled at first use: most commands read no text."""
    return re.compile(pattern)


def sentences(plain: str) -> Iterator[str]:
    """Sentences without dates, receipts, form names and addresses: so few that caching pays."""
    line = _LABEL.sub("", plain[:READ_LIMIT])
    if "www." in line or "http" in line:
        line = _ADDRESS.sub(" ", line)
    if any(map(str.isdigit, line)):
        line = _compiled(_FORM).sub(_form, line)
        for receipt in _RECEIPTS:
            line = receipt.sub(" ", line)
        line = _OPENING.sub(". ", line)
        line = _ANY_DATE.sub(" ", line)
    if "application " in line or "petition " in line:
        line = _compiled(_NAMED).sub("form", line)
    if " -" in line or not line.isascii():
        line = _DASH.sub(". ", line)
    for sentence in _STOP.split(line):
        if stripped := sentence.strip(" ,"):
            yield stripped


def _form(match: re.Match[str]) -> str:
    return _SIDE_FORMS.get((match[1] or match[2]).replace(" ", "-"), "form") + " "


# --- 3. What a sentence states ------------------------------------------------------------------

_FILING_FAULT = (
    r"(?:present\w+|tarifas?|pagos?|firm\w+|fondos|(?:in)?correct\w+|incomplet\w+|version)"
)
#: A condition takes the rest of its sentence with it.
_CONDITION = re.compile(
    r"\b(?:if|unless|whether|in case (?:you|we|of)|in the event|should (?:you|we|your|the|it|uscis)"
    r"|provided that|si|a menos que|en caso de)\b"
)
#: "After we reviewed your case, we ...": what follows the comma is stated again.
_LEADING_ASIDE = re.compile(
    r"^(?:(?:on|as of|el)?[ ,]+)?(?:when|after|once|before|upon|while|because|since|as|following"
    r"|cuando|despues de|tras)\b([^,]*),"
)
_ASIDE = re.compile(
    r"\b(?:because(?!(?: \w+){1,12} (?:by|through) other means)|which|why|when|once"
    r"|(?<!have )until|after|before|while|since|cuando|hasta que"
    # "Rechazado porque fue presentado incorrectamente": only the reason tells it from a denial.
    rf"|porque(?!(?: \w+){{1,5}} {_FILING_FAULT})"
    r"|el cual|la cual|despues de|that (?:explains?|describes?|informs?|tells?)"
    r"|que (?:explica|describe))\b"
)
#: "We are pleased to inform you that your application was approved."
_LEAD_IN = re.compile(
    r"^(?:(?!(?:not?|never|cannot|unable|nor|(?:den|rev|rej|rech|term|resc|dism|desest|clos|cerr|aband)\w+)\b)"
    r"\w+ ){0,6}(?:inform|informed|informamos|notify"
    r"|notified|notificamos|advise|advised|tell|note|aware|determined)(?: you)? (?:that|que) "
)
_SEGMENT = re.compile(
    r"[,;:]| and (?=(?:you|we|it|this|they|may|might|can|could|would|will)\b)"
    r"| (?:but|however|pero|y (?=(?:le|su|se|puede|usted)\b)) ?"
)
#: A possibility is not a statement; but "could not" and "cannot" are.
_POSSIBLE = re.compile(
    r"\b(?:may(?! (?:owe|be (?:fined|liable)))|might|would|could(?! not\b)"
    r"|can(?! (?:not|no longer)\b)"
    r"|(?<!no )pueden?(?! deber)|podrian?|podran?)\b"
)
#: Where the clause of a possibility may begin: "we denied it because you may not qualify".
_CLAUSE = re.compile(r"\b(?:and|so|that|because|since|as|y|que|porque|ya que)\b")
_PLANNED = re.compile(r"\b(?:will|shall|sera|seran|enviaremos|notificaremos|informaremos)\b")
#: Announced against the case without a condition: this is news of its own.
_AHEAD = re.compile(
    r"\b(?:(?:will|shall) (?:also |now |soon |then )?(?:be )?(?:automatically |administratively )?"
    r"(?:den(?:y|ied)|revoked?|terminated?|reject(?:ed)?|rescind(?:ed)?|dismiss(?:ed)?|closed?"
    r"|cancel(?:l?ed)?|expire|end(?:ed)?|lapse|returned"
    r"|(?:considered |deemed )?(?:abandoned|withdrawn)|(?:take |be )?no further action)"
    r"|(?:will|shall) (?:make|issue|decide)\b[^,;]{0,40}\b(?:on the record|without your|without a)"
    r"|ser(?:a|an) (?:denegad|revocad|terminad|rechazad|rescindid|desestimad|cerrad|cancelad)[oa]s?"
    r"|(?:denegar|revocar|terminar|rechazar|rescindir|desestimar|cerrar|cancelar)(?:a|an|emos))\b"
)
#: "We will deny your case unless you respond", in either order.
_OR_ELSE = re.compile(
    r"\b(?:unless|a menos que|(?:if|si) (?:(?:you|we|usted) )?(?:do not|dont|did not|fail|no )"
    r"|if [\w ]{1,40} not received)"
)
#: "If you do not respond, we may deny your case": an answer is owed.
_UNANSWERED = re.compile(
    r"\b(?:unless|a menos que|(?:if|si) (?:(?:you|we|usted) )?(?:do not|dont|did not|fail|no )"
    r"|failure to)\b.{0,200}"
    r"\b(?:respond|reply|answer|act|comply|your (?:response|reply)|respond[ae]|actua"
    r"|su respuesta)\b"
    r"|\b(?:respond|reply) .{0,200}\bto avoid\b"
)
_CONSEQUENCE = re.compile(
    r"\b(?:den(?:y|ied|ial)|revo(?:ke|ked|cation)|terminat(?:e|ed|ion)|reject(?:ed|ion)?|abandon\w*"
    r"|close[sd]?|dismiss(?:ed|al)?|deneg\w+|rechaz\w+|revoc\w+|terminad[oa]|cerrad[oa]|cerrar\w*)\b"
)
#: What is said between commas, of the past: "Your case, which we reopened, has been denied."
_BETWEEN_COMMAS = re.compile(
    r", *(?:which|who|after|following|upon|on|el cual|la cual|que|tras|despues de)\b([^,;]{1,200}),"
    r"(?= *(?:is|was|were|are|has|have|had|will|and|we|it|its|denied|revoked|terminated|rejected"
    r"|fue|ha|esta|sera|y|lo)\b)"
)
_NOT_APPROVED = re.compile(
    r"\b(?:(?:will|shall) not (?:be )?(?:approved?|exercise"
    r"|(?:grant|renew|extend|process|consider|accept)(?:ed)?)"
    r"|no (?:ser(?:a|an) )?(?:aprobaremos|aprobara|aprobad[oa]s?"
    r"|(?:procesar|renovar|aceptar|considerar)(?:a|emos)))\b"
)
_NOT_REOPENED = re.compile(
    r"\b(?:(?:will|shall) not (?:be )?(?:reopen|reconsider)(?:ed)?"
    r"|no (?:ser(?:a|an) )?(?:reabri|reconsidera)(?:remos|ra|ran|d[oa]s?))\b"
)


def statements(sentence: str) -> Iterator[tuple[str, bool]]:
    """The statements of a sentence as words, each with whether it is an aside."""
    said, *conditions = _CONDITION.split(sentence, maxsplit=1)
    owed = _UNANSWERED.search(sentence) and _CONSEQUENCE.search(sentence)
    if owed or (conditions and _OR_ELSE.search(sentence) and _AHEAD.search(sentence)):
        said = f"deadline ahead, {said}"
    elif not conditions:
        said = _NOT_REOPENED.sub("not reopened", _AHEAD.sub("action ahead", said))
        said = _NOT_APPROVED.sub("not approved", said)
    asides: list[str] = []
    if leading := _LEADING_ASIDE.match(said):
        asides.append(leading[1])
        said = said[leading.end() :]
    asides += _BETWEEN_COMMAS.findall(said)
    said = _BETWEEN_COMMAS.sub(" ", said)
    stated = " ".join(
        _PLANNED.split(_without_the_possible(segment), maxsplit=1)[0]
        for segment in _SEGMENT.split(said)
        if segment
    )
    main, *more = _ASIDE.split(_LEAD_IN.sub("", words_of(stated)))
    if main := main.strip():
        yield main, False
    for aside in (*asides, *more):
        if words := words_of(aside):
            yield words, True


def _without_the_possible(segment: str) -> str:
    """What a segment states before the clause of a possibility."""
    possible = _POSSIBLE.search(segment)
    if possible is None:
        return segment
    clauses = list(_CLAUSE.finditer(segment, 0, possible.start()))
    return segment[: clauses[-1].start()] if clauses else ""
