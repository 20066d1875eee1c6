"""Every state and flag of a visit has one sentence in plain words."""

from __future__ import annotations

import pytest

from redcap_jobs.jobs.visit_flags import FLAGS
from redcap_jobs.study.visit_state_names import VISIT_STATES
from redcap_jobs.study.visit_state_words import FLAG_WORDS, STATE_WORDS


def test_no_state_and_no_flag_is_left_out() -> None:
    """What a job can decide can be looked up."""
    assert tuple(STATE_WORDS) == VISIT_STATES
    assert tuple(FLAG_WORDS) == FLAGS


@pytest.mark.parametrize("sentence", [*STATE_WORDS.values(), *FLAG_WORDS.values()])
def test_each_is_one_sentence_in_words(sentence: str) -> None:
    """Short, no full stop inside, and none of the names that it is to explain."""
    assert 20 < len(sentence) < 140
    assert "." not in sentence
    assert "_" not in sentence


@pytest.mark.parametrize("state", ["completed_early", "completed_late"])
def test_out_of_window_is_left_to_a_persons_judgement(state: str) -> None:
    """ICH E3 Q&A 7: whether a deviation is important is decided by people."""
    assert "out of window, a possible protocol deviation" in STATE_WORDS[state]
