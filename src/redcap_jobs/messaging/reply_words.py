"""What a reply asks for: to stop, to start again, help, nothing, or that a person reads it.

Twilio itself blocks a sender on one English word alone (support article 223134027). People write
more than that, in English and Spanish, and a revocation by any reasonable means counts (47 CFR
64.1200(a)(10)). So: a stop word, politely wrapped or not, stops; a plain answer is nothing;
whatever else a reply says, "wrong number" among it, is unclear, and its phone gets no texts until
a person has read it. To start again takes a start word alone.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Literal, TypeAlias

Meaning: TypeAlias = Literal["stop", "start", "help", "unclear", ""]


def these(words: str) -> frozenset[str]:
    """Return the words of a line."""
    return frozenset(words.split())


STOP = these(
    # Twilio's own and those of the Federal Communications Commission, then Spanish ones
    "stop stopall unsubscribe cancel end quit optout revoke "
    "alto parar pare paren basta cancelar cancela terminar fin detener detenga detengan "
    "desuscribir desuscribirme baja nomas"
)
START = these("start unstop yes si empezar comenzar iniciar reanudar")
HELP = these("help info ayuda ayudenme")
ASKED: tuple[tuple[Meaning, frozenset[str]], ...] = (("stop", STOP), ("help", HELP))

PHRASES = {
    "stop all": "stopall",
    "opt out": "optout",
    "opt me out": "optout",
    "no more": "optout",
    "un subscribe": "unsubscribe",
    "no mas": "nomas",
    "ya no": "nomas",
    "de baja": "baja",
    "dar de baja": "baja",
    "darme de baja": "baja",
    "darse de baja": "baja",
    "deme de baja": "baja",
    "got it": "done",
    "did it": "done",
    "will do": "done",
    "all done": "done",
    "no problem": "done",
    "you too": "done",
    "so much": "done",
    "very much": "done",
    "ya esta": "done",
    "lo hice": "done",
    "la hice": "done",
    "de nada": "done",
    "esta bien": "done",
    "muy amable": "done",
}
"""Several words that are one, without accents."""

COURTESY = these(
    "please pls plz thanks thank thx you ty now sorry sir maam madam ok okay hi hello dear kindly "
    "por favor porfavor porfa gracias muchas mil ya ahora hola senor senora senorita perdon "
    "disculpe disculpa"
)
PLAIN = COURTESY | these(
    "k kk y yes yep yeah yup sure great good cool nice perfect awesome wow lol done finished "
    "completed submitted welcome morning afternoon evening night "
    "si claro bueno buena bien vale listo lista hecho hecha perfecto recibido enterado enterada "
    "entendido buenos buenas dias tardes noches excelente igualmente bendiciones"
)
DIGITS_OF_AN_ANSWER = 3

REACTION = re.compile(
    r"(?:liked|loved|laughed at|emphasized|removed an? [\w ]+ from|le gust[oó](?: a)?|le encant[oó]"
    r"|me gusta|me encanta|[^\w\s]+\s+(?:to|a))\s*[\"“«].*[\"”»]",
    re.IGNORECASE | re.DOTALL,
)
"""What a phone sends for a tap on our own text; it quotes it, "reply STOP" included."""
SIGNS_AGAINST = frozenset("🛑🚫⛔✋🖕👎")
APOSTROPHES = "'`\u2019"
UNSEEN = ("Cf", "Me", "Mn")
"""Unicode's categories of marks over letters and of characters that take no room."""


def meaning(body: str) -> Meaning:
    """Say what a reply asks for; case, accents, punctuation, blanks and emoji do not matter.

    A body without anything in it is unclear: a picture came, or Twilio has redacted what was said.
    """
    shown = "".join(each for each in body if unicodedata.category(each) != "Cf").strip()
    words = words_of(shown)
    against = bool(SIGNS_AGAINST & set(shown))
    if not words or REACTION.fullmatch(shown):
        return "unclear" if against or not shown else ""
    for asked, known in ASKED:
        if _is_politely(words, known):
            return asked
    if START.issuperset(words) and not against:
        return "start"
    return "" if _is_plain(words) and not against else "unclear"


def words_of(body: str) -> list[str]:
    """Return a reply's words in small letters without accents; what is one word is one."""
    letters = unicodedata.normalize("NFKD", body).casefold()
    kept = "".join(
        each if each.isalnum() else " "
        for each in letters
        if unicodedata.category(each) not in UNSEEN and each not in APOSTROPHES
    )
    words = kept.split()
    if len(words) > 1 and all(len(word) == 1 and word.isalpha() for word in words):
        words = ["".join(words)]
    return list(_joined(words))


def _joined(words: list[str]) -> Iterator[str]:
    """Make one word of several that are, the longest phrase first."""
    at = 0
    while at < len(words):
        for length in (3, 2, 1):
            phrase = " ".join(words[at : at + length])
            if length == 1 or phrase in PHRASES:
                yield PHRASES.get(phrase, phrase)
                at += length
                break


def _is_politely(words: list[str], known: frozenset[str]) -> bool:
    """Tell whether some words are of ``known`` and all others are courtesy."""
    rest = [word for word in words if word not in known]
    return len(rest) < len(words) and COURTESY.issuperset(rest)


def _is_plain(words: list[str]) -> bool:
    """Tell whether a reply is thanks, an "ok", a small number or the like, and nothing more."""
    return all(
        word in PLAIN or (word.isdecimal() and len(word) <= DIGITS_OF_AN_ANSWER) for word in words
    )
