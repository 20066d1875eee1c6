"""A study that pauses texts nobody; when it is over, each person gets the one text due then."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from texting import Texting, texting
from typed import typed


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Texting]:
    with texting(tmp_path, participants=100) as made:
        yield made


def pause(study: Texting, until: str = "2026-11-25") -> None:
    done = typed(study, "pause", study.home.study, "--until", until, "--reason", "a wrong link")
    assert (done.code, done.err) == (0, "")


def test_nothing_is_sent_in_a_pause_and_the_plan_says_so(study: Texting) -> None:
    """Nobody is even claimed; the day counts in, and the day after texts go out again."""
    pause(study)
    first = study.run()
    assert study.accepted == []
    assert any(reason.startswith("paused: a wrong link") for reason in first.skip_reasons)
    assert "withheld" not in str(first.counts)
    study.clock.pass_by(timedelta(hours=25))
    study.run()
    assert study.accepted == []
    study.clock.pass_by(timedelta(hours=24))
    study.run()
    assert set(Counter(text.to for text in study.accepted).values()) == {1}


def test_resume_ends_it(study: Texting) -> None:
    """Once; a study that is not paused is told so."""
    pause(study, "2026-12-24")
    assert "texts again" in typed(study, "resume", study.home.study).out
    assert "was not paused" in typed(study, "resume", study.home.study).out
    study.run()
    assert study.accepted


def test_a_pause_in_place_of_a_longer_one_is_told(study: Texting) -> None:
    """Somebody else may have said the longer one; the same day again is nothing new."""
    pause(study, "2026-12-24")
    pause(study, "2026-12-24")
    arguments = ("--until", "2026-11-25", "--reason", "a wrong link")
    shorter = typed(study, "pause", study.home.study, *arguments)
    assert (shorter.code, "2026-12-24 is over: that does not count" in shorter.err) == (0, True)


def test_resume_says_that_the_study_file_pauses_too(study: Texting) -> None:
    """Nobody waits for texts that still do not go out."""
    written = study.home.study.read_text(encoding="utf-8")
    file_pause = '[[pauses]]\nfrom = 2026-11-20\nuntil = 2026-11-30\nwhy = "holidays"\n'
    study.home.study.write_text(f'{written}\n{file_pause}texts = "wait"\n', encoding="utf-8")
    pause(study)
    resumed = typed(study, "resume", study.home.study)
    assert "texts again" not in resumed.out
    assert "pauses until 2026-11-30 is over ([[pauses]])" in resumed.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--until", "2026-11-23", "--reason", "late"), "lies in the past"),
        (("--until", "tomorrow", "--reason", "late"), "is no date; write it as"),
        (("--until", "9999-12-31", "--reason", "late"), "too far away"),
        (("--until", "2026-11-25", "--reason", " "), "blank"),
        (("--until", "2026-11-25"), "--reason"),
        (("--reason", "late"), "--until"),
    ],
)
def test_bad_words_pause_nothing(study: Texting, arguments: tuple[str, ...], words: str) -> None:
    """Exit 2 and a clear line."""
    done = typed(study, "pause", study.home.study, *arguments)
    assert done.code == 2
    assert words in done.err
    assert "was not paused" in typed(study, "resume", study.home.study).out
