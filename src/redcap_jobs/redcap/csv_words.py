"""A hash table over a text's bytes, probed for thousands of cells at a time.

A cell of up to 24 bytes is one to three 64-bit words (little-endian, filled up with NUL, which no
cell holds), so equal words are equal text and nothing has to be compared afterwards. The table
never forgets and is never full: what finds no place is simply made anew each time it is met.
"""

from __future__ import annotations

from functools import cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Numbers: TypeAlias = npt.NDArray[np.int64]
Words: TypeAlias = npt.NDArray[np.uint64]

WORD_BYTES = 8
BITS = 16
MOST = 1 << 14
"""Entries: few enough to stay in the processor's cache, a quarter of the slots."""
ALL_BITS = 2**64 - 1
KEEP = np.array([2 ** (8 * length) - 1 for length in range(WORD_BYTES + 1)], dtype=np.uint64)
"""Which bits of a word belong to a text of so many bytes."""
MIXERS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], dtype=np.uint64)
HIGH_BITS = np.uint64(0x8080808080808080)
SHIFTS = (np.uint64(64 - BITS), np.uint64(64 - 2 * BITS))
SLOTS = np.uint64((1 << BITS) - 1)


@cache
def _two_byte_texts() -> tuple[tuple[str, ...], npt.NDArray[np.bool_]]:
    texts = [""] * (1 << 16)
    known = np.zeros(1 << 16, dtype=np.bool_)
    known[0] = True
    ascii_signs = [chr(code) for code in range(1, 0x80)]
    pairs = [first + second for second in ascii_signs for first in ascii_signs]
    letters = [chr(code) for code in range(0x80, 0x800)]
    for text in (*ascii_signs, *pairs, *letters):
        number = int.from_bytes(text.encode("utf-8"), "little")
        texts[number] = text
        known[number] = True
    return tuple(texts), known


def short_texts() -> tuple[list[str], npt.NDArray[np.bool_]]:
    """Return the texts of up to two bytes, each at the number that its bytes are.

    The second value says which numbers are UTF-8 at all.
    """
    texts, known = _two_byte_texts()
    return list(texts), known


class WordTable:
    """Finds cells of ``words`` words among those met before; new ones join ``texts``."""

    def __init__(self, words: int, texts: list[str]) -> None:
        self.words = words
        self.texts = texts
        self._entry_of_slot = np.zeros(1 << BITS, dtype=np.int32)
        self._keys = np.zeros((words, MOST), dtype=np.uint64)
        self._number = np.zeros(MOST, dtype=np.int64)
        self._used = 1  # entry 0 is what an empty slot points to; its key is that of no cell

    def numbers(self, block: bytes, starts: Numbers, lengths: Numbers) -> Numbers:
        """Return the numbers of cells; raises UnicodeDecodeError for what is not UTF-8.

        ``block`` has at least 24 bytes behind its last cell; every cell has as many words.
        """
        window = np.ndarray((len(block) - WORD_BYTES + 1,), np.uint64, block, 0, (1,))
        keys = [window[starts + WORD_BYTES * word] for word in range(self.words)]
        keys[-1] &= KEEP.take(lengths - WORD_BYTES * (self.words - 1))
        hashes = mixed(keys)
        numbers, found = self._probe(keys, hashes, SHIFTS[0])
        left = np.flatnonzero(~found)
        if len(left):
            keys, hashes = [key.take(left) for key in keys], hashes.take(left)
            again, found = self._probe(keys, hashes, SHIFTS[1])
            numbers[left] = again
            new = np.flatnonzero(~found)
            if len(new):
                left = left.take(new)
                numbers[left] = self._learn(
                    block, starts.take(left), lengths.take(left), [k.take(new) for k in keys]
                )
        return numbers

    def _probe(
        self, keys: list[Words], hashes: Words, shift: np.uint64
    ) -> tuple[Numbers, npt.NDArray[np.bool_]]:
        entries = self._entry_of_slot.take(slots(hashes, shift))
        found = self._keys[0].take(entries) == keys[0]
        for mine, key in zip(self._keys[1:], keys[1:], strict=True):
            found &= mine.take(entries) == key
        return self._number.take(entries), found

    def _learn(self, block: bytes, starts: Numbers, lengths: Numbers, keys: list[Words]) -> Numbers:
        """Make each distinct cell into a string, enter it while there is room, number all."""
        first, inverse = distinct(keys)
        keys = [key.take(first) for key in keys]
        begin, size = starts.take(first), lengths.take(first)
        # Latin-1 has one sign per byte, so places in the block are places in the text.
        text = block.decode("latin-1")
        made = [text[a:z] for a, z in zip(begin.tolist(), (begin + size).tolist(), strict=True)]
        beyond_ascii = np.bitwise_or.reduce(keys) & HIGH_BITS
        for place in np.flatnonzero(beyond_ascii).tolist():
            made[place] = made[place].encode("latin-1").decode("utf-8")
        numbers = np.arange(len(self.texts), len(self.texts) + len(made))
        self.texts.extend(made)
        self._enter(keys, numbers)
        return numbers.take(inverse)

    def _enter(self, keys: list[Words], numbers: Numbers) -> None:
        room = MOST - self._used
        keys, numbers = [key[:room] for key in keys], numbers[:room]
        entries = np.arange(self._used, self._used + len(numbers))
        self._used += len(entries)
        self._number[entries] = numbers
        for mine, key in zip(self._keys, keys, strict=True):
            mine[entries] = key
        hashes = mixed(keys)
        for shift in SHIFTS:
            slot = slots(hashes, shift)
            free = self._entry_of_slot[slot] == 0
            self._entry_of_slot[slot[free]] = entries[free]
            homeless = self._entry_of_slot[slot] != entries
            hashes, entries = hashes[homeless], entries[homeless]


def mixed(keys: list[Words]) -> Words:
    """Return a hash of each key; only speed depends on it."""
    hashes: Words = keys[0] * MIXERS[0]
    for key, mixer in zip(keys[1:], MIXERS[1:], strict=False):
        hashes ^= key * mixer
    hashes ^= hashes >> np.uint64(32)
    hashes *= MIXERS[2]
    return hashes


def slots(hashes: Words, shift: np.uint64) -> Numbers:
    """Return the slots of hashes, taken from the bits above ``shift``."""
    places: Words = (hashes >> shift) & SLOTS
    return places.view(np.int64)


def distinct(keys: list[Words]) -> tuple[Numbers, Numbers]:
    """Return where each distinct key stands first, and which of these each key is."""
    if len(keys) == 1:
        _, first, inverse = np.unique(keys[0], return_index=True, return_inverse=True)
        return first, inverse
    order = np.lexsort(keys)
    ordered = [key.take(order) for key in keys]
    starts_group = np.ones(len(order), dtype=np.bool_)
    starts_group[1:] = np.logical_or.reduce([key[1:] != key[:-1] for key in ordered])
    inverse = np.empty(len(order), dtype=np.int64)
    inverse[order] = np.cumsum(starts_group) - 1
    return order[starts_group], inverse
