"""What is asked for ahead is answered for a block around it too, however early a block ends."""

from __future__ import annotations

import time
from functools import partial

from zarrpyramid.stores.answers import Answers


def test_a_block_that_ends_early_leaves_its_answers_to_the_block_around_it():
    def ask(n: int) -> int:
        time.sleep(0.01)
        return n

    questions = [("object", f"s3://bucket/{n}") for n in range(40)]
    answers = Answers()
    with answers.kept():
        with answers.kept([(what, partial(ask, n)) for n, what in enumerate(questions)]):
            pass
        assert [answers.known(what) for what in questions] == list(range(40))
    assert answers.known(questions[0]) is None
