"""What replies mean: who wants to stop is never read as anything milder than unclear."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redcap_jobs.messaging.reply_words import COURTESY, HELP, PLAIN, START, STOP, meaning

ALONE = """
STOP stop Stop. STOP! stop... "STOP" (stop) -stop- STOPALL UNSUBSCRIBE CANCEL END QUIT OPTOUT REVOKE
ALTO alto Parar PARAR BASTA ¡Basta! CANCELAR TERMINAR FIN Opt-Out s.t.o.p 🛑STOP🛑 STOP👍
"""
STOPS = [
    *ALONE.split(),
    "\uff33\uff34\uff2f\uff30",
    *("  stop \n", "S T O P", "ST\u200bOP", "opt out", "Stop all", "STOP STOP STOP", "no more"),
    *(
        "NO MAS",
        "no más",
        "no mas no mas",
        "No más, por favor",
        "Ya no, gracias",
        "basta ya",
        "Hola, parar",
    ),
    *("stop please", "Please STOP!", "stop now please, thank you", "stop\u00a0please"),
    *("Por favor, alto. Gracias", "darme de baja por favor", "opt me out", "Detengan"),
    *("Stop, ma'am", "Stop, ma\u2019am", "STO\u20ddP"),
]

UNCLEAR = [
    "wrong number",
    "Wrong number!",
    "número equivocado",
    "numero equivocado, gracias",
    "please stop texting me",
    "don't stop",
    "do not stop",
    "Stop it",
    "bus stop",
    "stop start",
    "I will stop by tomorrow",
    "the end",
    "no",
    "No thanks",
    "No gracias",
    "no, más tarde",
    "leave me alone",
    "who is this?",
    "take me off your list",
    "unsubscribed",
    "stopp",
    "ST0P",
    "Terminé",
    "cancel my appointment",
    "déjenme en paz",
    "she passed away",
    "2025550123",
    "help stop",
    "start please",
    "too much",
    "🛑",
    "👎",
    "yes 👎",
    "START 🛑",
    "1000",
    "ok 🖕",
    "Disliked “Hi Ann, please fill in. Reply STOP to stop.”",
    "👎 to “Hi Ann, please fill in. Reply STOP to stop.”",
    "",
    "  ",
    "\u200b",
]

NOTHING = [
    *(
        "thanks",
        "Thank you!",
        "ok",
        "OK 👍",
        "Okay thanks",
        "gracias",
        "Muchas gracias 🙏",
        "👍",
        "❤️",
    ),
    *(
        "5",
        "5.",
        "5️⃣",
        "10",
        "100",
        "1 2",
        "1 2 3 4 5",
        "2 gracias",
        "Muy amable",
        "done",
        "Listo",
        "Ya está",
        "got it, thanks",
        "K",
    ),
    *("yes thanks", "Sí, gracias", "De nada", "Good morning", "Buenos días", "?", "!!"),
    "Liked “Hi Ann, please fill in. Reply STOP to stop.”",
    'Loved "Hi Ann. Reply STOP to stop."',
    "Le gustó “Hola Ana. Responda ALTO.”",
    "Me encanta “Hola Ana. Responda ALTO.”",
    "Liked “Hi Ann,\nplease fill in.\nReply STOP to stop.”",
    "\u200a\u200b👍\u200b to “\u200aHi Ann. Reply STOP to stop.\u200a”",
]


@pytest.mark.parametrize("body", STOPS)
def test_a_stop_word_politely_wrapped_or_not_stops(body: str) -> None:
    """English or Spanish, in any case, with accents, signs and courtesy around it."""
    assert meaning(body) == "stop"


@pytest.mark.parametrize("body", UNCLEAR)
def test_what_is_neither_plain_nor_a_clear_stop_is_read_by_a_person(body: str) -> None:
    """A stop word among others, a wrong number, any sentence: the phone is held meanwhile."""
    assert meaning(body) == "unclear"


@pytest.mark.parametrize("body", NOTHING)
def test_a_plain_answer_asks_for_nothing(body: str) -> None:
    """Thanks, an ok, a digit or a tap on our text hold nobody's texts back."""
    assert meaning(body) == ""


@pytest.mark.parametrize("body", ["START", "start", "Yes", "YES.", "UNSTOP", "SI", "Sí", "sí!"])
def test_a_start_word_alone_starts_again(body: str) -> None:
    """Twilio's words that lift its own block, and the Spanish yes."""
    assert meaning(body) == "start"


@pytest.mark.parametrize(
    "body", ["HELP", "help?", "Info", "AYUDA", "ayuda por favor", "Help please", "Ayúdenme"]
)
def test_a_help_word_asks_for_help(body: str) -> None:
    """Carriers require that HELP is known; it stops and starts nothing."""
    assert meaning(body) == "help"


def test_no_word_means_two_things() -> None:
    """Stop, start and help share no word, and none that stops is a courtesy or a plain answer."""
    assert not STOP & (START | HELP | PLAIN | COURTESY)
    assert not START & HELP
    assert not HELP & PLAIN


DECORATION = st.text(" .,!?¡¿-_*\"'()\n\t😀👍🙏\u200b", max_size=5)


@given(
    word=st.sampled_from(sorted(STOP)),
    around=st.lists(st.sampled_from(sorted(COURTESY)), max_size=3),
    place=st.integers(0, 3),
    signs=st.tuples(DECORATION, DECORATION),
    change=st.sampled_from([str.upper, str.lower, str.title, str.swapcase]),
)
def test_no_courtesy_or_decoration_hides_a_stop(
    word: str, around: list[str], place: int, signs: tuple[str, str], change: object
) -> None:
    """Whatever politeness, case and signs surround a stop word, it stops."""
    words = [*around[:place], word, *around[place:]]
    assert callable(change)
    assert meaning(signs[0] + change(" ".join(words)) + signs[1]) == "stop"


@given(
    word=st.sampled_from(sorted(STOP)),
    others=st.lists(st.text("abcdefghijklmnopqrstuvwxyzñáé", min_size=1, max_size=9), max_size=6),
    place=st.integers(0, 6),
)
def test_a_reply_with_a_stop_word_is_never_ignored_or_a_start(
    word: str, others: list[str], place: int
) -> None:
    """With a stop word in it a reply stops or is read by a person, whatever else it says."""
    body = " ".join([*others[:place], word, *others[place:]])
    assert meaning(body) in ("stop", "unclear")


@given(st.text(max_size=200))
def test_every_reply_means_something(body: str) -> None:
    """Nothing that can be texted breaks the reading."""
    assert meaning(body) in ("stop", "start", "help", "unclear", "")
