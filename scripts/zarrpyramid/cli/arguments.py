"""What commands share: how they are declared, the path of an image, and the options of a URL."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Run = Callable[[argparse.Namespace], int]
    Commands = argparse._SubParsersAction["Parser"]

BRAIN = "/data/brain.zarr/raw"
"""The image of the examples."""
NO_ANSWER = "nothing is there, the call is wrong, or it could not be done"
"""What the exit code 2 says of every command."""


class Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one line, as all other errors here are said."""

    names: list[str]
    """All commands."""
    answers: dict[int, str]
    """What the exit codes of a command mean."""

    def error(self, message: str) -> NoReturn:
        """End the process with exit code 2."""
        self.exit(2, f"zarrpyramid: error: {message}; see {self.prog} --help\n")


def add_command(
    commands: Commands,
    run: Run,
    purpose: str,
    examples: Sequence[str],
    *,
    good: str,
    bad: str = "",
) -> Parser:
    """Add a command that has the name of the function that runs it, and return its parser.

    Parameters
    ----------
    run
        Takes the arguments and returns the exit code.
    purpose
        What the command does, without a capital and a full stop.
    examples
        What may stand after its name.
    good, bad
        What the exit codes 0 and 1 say. Without `bad` the command never exits with 1.
    """
    name = run.__name__
    answers = {0: good, 1: bad, 2: NO_ANSWER}
    answers = {code: words for code, words in answers.items() if words}
    codes = "\n".join(f"  {code}  {words}" for code, words in answers.items())
    shown = "\n".join(f"  zarrpyramid {name} {rest}" for rest in examples)
    command = commands.add_parser(
        name,
        help=purpose,
        description=f"{purpose[0].upper()}{purpose[1:]}.",
        epilog=f"exit codes:\n{codes}\n\nexamples:\n{shown}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(run=run)
    command.answers = answers
    return command


def add_path(command: Parser, *, nargs: str | None = None) -> None:
    """Add the path of an image to a command."""
    command.add_argument(
        "path",
        metavar="STORE/FIELD",
        nargs=nargs,
        help="path or URL of the image's group, which is the folder that holds the array 0",
    )


def add_options(
    command: Parser, configuration: str = "a configuration; its storage_options are used"
) -> None:
    """Add what opens an image at a URL to a command."""
    command.add_argument(
        "--storage-option",
        action="append",
        type=_option,
        metavar="KEY=VALUE",
        help="an option of the URL, as in storage_options; may be given more than once",
    )
    command.add_argument("--configfile", metavar="F", help=configuration)


def options_of(given: argparse.Namespace) -> dict[str, Any]:
    """Return the options of a URL: those of a configuration file, and over them those given."""
    from zarrpyramid.config import options_for, read_config
    from zarrpyramid.stores import check_options, is_url

    options = {}
    if given.configfile is not None:
        options = options_for(given.path, read_config(Path(given.configfile)))
    options.update(given.storage_option or ())
    scheme = given.path.partition("://")[0] if is_url(given.path) else "s3"
    check_options(options, "--storage-option", scheme)
    return options


def count(text: str) -> int:
    """Return a number from the command line that is not negative."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number; give one of 0 or more")
    return int(text)


def _option(text: str) -> tuple[str, str]:
    """Return key and value of an option; an error does not quote it, it may be a password."""
    key, is_given, value = text.partition("=")
    if not (key and is_given):
        raise argparse.ArgumentTypeError("expected KEY=VALUE, such as endpoint=http://minio:9000")
    return key, value
