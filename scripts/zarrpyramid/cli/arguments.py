"""What commands share: how they are declared, take an image and its URL's options, and answer."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from zarrpyramid.errors import nearest, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    Run = Callable[[argparse.Namespace], int]
    Commands = argparse._SubParsersAction["Parser"]

BRAIN = "/data/brain.zarr/raw"
"""The image of the examples."""
NO_ANSWER = "nothing is there, the call is wrong, or the command failed"
"""What the exit code 2 says of every command."""


class Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one line, as all other errors here are said."""

    purpose: str
    """What a command does, without a capital and a full stop."""
    answers: dict[int, str]
    """What the exit codes of a command mean."""
    keys: Mapping[str, str]
    """What the JSON of a command holds; empty for one that prints none."""

    def __init__(self, **form: Any) -> None:
        # What a shortened option means would change with each new one.
        super().__init__(allow_abbrev=False, **form)

    def error(self, message: str) -> NoReturn:
        """End the process with exit code 2."""
        self.exit(2, f"zarrpyramid: error: {message}; see {self.prog} --help\n")

    def _print_message(self, message: str, file: Any = None) -> None:
        """Print help; a disk that is full is no success, as argparse has it."""
        if message:
            (file or sys.stderr).write(message)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Refuse what is none of an argument's choices, and name the nearest one."""
        if action.choices is not None and value not in action.choices:
            *most, last = map(str, action.choices)
            hint = nearest(str(value), (*most, last))
            message = f"expected {', '.join(most)} or {last}, found {value!r}{hint}"
            raise argparse.ArgumentError(action, message)


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
    command.purpose, command.answers, command.keys = purpose, answers, {}
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


def add_answers(command: Parser, keys: Mapping[str, str], *, may_be_quiet: bool = True) -> None:
    """Let a command answer with JSON, or with its exit code alone.

    Parameters
    ----------
    keys
        What the JSON holds beside `command`; the command line's reference lists them.
    may_be_quiet
        Whether the exit code says something.
    """
    command.keys = {"command": "the command's name", **keys}
    how = command.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help=f"print JSON: {', '.join(command.keys)}")
    if may_be_quiet:
        how.add_argument(
            *("-q", "--quiet"),
            action="store_true",
            help="print nothing, except why there is no answer",
        )
    else:
        command.set_defaults(quiet=False)


def answer(
    given: argparse.Namespace, document: Mapping[str, Any], lines: Iterable[str] = ()
) -> None:
    """Print what a command found as it was asked for: as lines, as JSON, or not at all.

    Parameters
    ----------
    document
        By the keys that the command declares.
    lines
        For people.
    """
    if given.json:
        print(json.dumps(_strict({"command": given.command, **document}), indent=1))
    elif not given.quiet:
        for line in lines:
            print(printable(line))


def shows_bar(given: argparse.Namespace) -> bool | None:
    """Return whether a command shows a bar: None for where somebody watches."""
    return False if given.quiet or given.json else None


def _strict(value: Any) -> Any:
    """Return a value whose numbers every reader of JSON takes as they are, or as text."""
    from zarrpyramid.metadata import strict_number

    if isinstance(value, dict):
        return {key: _strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [*map(_strict, value)]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return strict_number(value) if is_number else value


def options_of(given: argparse.Namespace, path: str | None = None) -> dict[str, Any]:
    """Return the options of a URL: those of a configuration file, and over them those given.

    Of the command's `path`, unless another one is given.
    """
    from zarrpyramid.config import options_for, read_config
    from zarrpyramid.stores import check_options, is_url

    place, options = path or given.path, {}
    if given.configfile is not None:
        options = options_for(place, read_config(Path(given.configfile)))
    options.update(given.storage_option or ())
    scheme = place.partition("://")[0] if is_url(place) else "s3"
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
