"""What Snakemake asks of a logger, and when it is asked to stand aside."""

from __future__ import annotations

import logging

import pytest
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_logger_plugins.tests import MockOutputSettings, TestLogHandlerBase

from snakemake_logger_plugin_zarrpyramid import LogHandler


def handler(**settings):
    given = MockOutputSettings()
    given.printshellcmds = False
    given.show_failed_logs = False
    for name, value in settings.items():
        setattr(given, name, value)
    return LogHandler(given, None)


def record(text, level=logging.INFO, **more):
    made = logging.makeLogRecord({"msg": text, "levelno": level, **more})
    made.levelname = logging.getLevelName(level)
    return made


class TestInterface(TestLogHandlerBase):
    """The tests that the interface brings for every logger."""

    __test__ = True

    @pytest.fixture(autouse=True)
    def closed(self):
        self.made = []
        yield
        for one in self.made:
            one.close()

    def get_log_handler_cls(self):
        return LogHandler

    def get_log_handler_settings(self):
        return None

    def _create_handler(self):
        self.made.append(handler())
        return self.made[-1]


@pytest.mark.parametrize(
    "asked", ["verbose", "printshellcmds", "debug_dag", "show_failed_logs", "dryrun"]
)
def test_who_asks_for_more_gets_snakemakes_own_log(asked, capsys):
    assert handler().writes_to_stream
    aside = handler(**{asked: True})
    assert not aside.writes_to_stream
    aside.emit(record("whatever"))
    assert capsys.readouterr().err == ""


def test_what_snakemake_says_of_every_run_is_left_out(capsys):
    shown = handler()
    for text in ("Building DAG of jobs...", "host: here", "Select jobs to execute..."):
        shown.emit(record(text))
    for text in ("Nothing to be done (all requested files are present).", "Unlocked it."):
        shown.emit(record(text))
    shown.emit(record("At least one job did not complete successfully.", logging.ERROR))
    shown.emit(record("A cycle.", logging.ERROR, event=LogEvent.ERROR))
    assert capsys.readouterr().err.splitlines() == [
        "Nothing to be done (all requested files are present).",
        "Unlocked it.",
        "A cycle.",
    ]


def test_quiet_is_quiet(capsys):
    class Asked:
        name = "ALL"

    handler(quiet={Asked()}).emit(record("Nothing to be done"))
    assert capsys.readouterr().err == ""
