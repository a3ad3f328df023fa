"""The program `zarrpyramid`: its parser, and how a command is found, run and answered."""

from __future__ import annotations

import contextlib
import errno
import itertools
import logging
import os
import re
import shutil
import signal
import sys
import textwrap
import traceback
from typing import TYPE_CHECKING

from zarrpyramid import __version__
from zarrpyramid.downsample import warn_to_stderr
from zarrpyramid.errors import PyramidError, suggestion

from . import keep, look, make, prove, set_up, share
from .arguments import Parser

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

_DESCRIPTION = """\
Image pyramids for zarr arrays. The workflow builds many, with reports and on clusters:

  uv run snakemake --cores all --config store=/data/brain.zarr field=raw

These commands build one, look at it, prove it and clean up. Each has
examples: zarrpyramid COMMAND --help
"""
_GROUPS = {
    "make": make,
    "look": look,
    "prove": prove,
    "share": share,
    "look after": keep,
    "set up": set_up,
}


class Program(Parser):
    """The parser of all commands, whose help shows them in groups."""

    commands: Mapping[str, Parser]
    """The parser of each command, by its name."""
    groups: dict[str, list[str]]
    """The names of the commands of each group."""

    def format_help(self) -> str:
        """Return the help: argparse would list all commands as one group."""
        lines = [self.format_usage(), _DESCRIPTION]
        wrap = textwrap.TextWrapper(width=max(40, shutil.get_terminal_size().columns - 2))
        wrap.subsequent_indent = 14 * " "
        for title, names in self.groups.items():
            lines.append(f"{title}:")
            for name in names:
                wrap.initial_indent = f"  {name:<12}"
                lines += wrap.wrap(self.commands[name].purpose)
            lines.append("")
        lines += ["options:", "  -h, --help  show this help", "  --version   show the version", ""]
        return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    A command returns 0 or 1, as its help says. Without an answer the code is 2, after a line that
    says what is wrong; a bug leaves its traceback. It is 130 after Ctrl-C, and 141 where the reader
    of the output has gone, as shells count signals.
    """
    _open_streams()
    try:
        try:
            return _answer(sys.argv[1:] if arguments is None else arguments)
        finally:  # also of the help, with which the parser ends the process
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
    except BrokenPipeError:
        # Python flushes both once more when it ends.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):
            os.dup2(nowhere, stream.fileno())
        return 128 + signal.SIGPIPE
    except OSError as error:  # such as a disk that is full
        with contextlib.suppress(OSError):
            print(
                f"zarrpyramid: error: cannot write the output: {error.strerror}; write it "
                "elsewhere",
                file=sys.stderr,
            )
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 2


def _open_streams() -> None:
    """Have what a shell has closed lead nowhere: else a file of a store would get its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115


def _answer(arguments: Sequence[str]) -> int:
    """Run a command and return its exit code; what is wrong is a line on stderr."""
    given = _parse(arguments)
    handler = warn_to_stderr()
    try:
        code: int = given.run(given)
    except PyramidError as error:
        print(f"zarrpyramid: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return _interrupted()
    except BrokenPipeError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise
        traceback.print_exc()  # with Python's own code of 1 it would be an answer
        return 2
    else:
        return code
    finally:
        logging.getLogger("zarrpyramid").removeHandler(handler)


def _interrupted() -> int:
    """End what still runs, for which Python would wait; Ctrl-C once more changes nothing."""
    from multiprocessing import active_children

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    for worker in active_children():
        worker.kill()
    print("zarrpyramid: interrupted", file=sys.stderr)
    signal.signal(signal.SIGINT, before)
    return 128 + signal.SIGINT


def make_parser() -> Program:
    """Return the parser of all commands."""
    parser = Program(prog="zarrpyramid")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    parser.commands, parser.groups = commands.choices, {}
    for title, group in _GROUPS.items():
        before = set(parser.commands)
        group.add_commands(commands)
        parser.groups[title] = [name for name in parser.commands if name not in before]
    return parser


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return what is asked for; a mistake ends the process with one line and exit code 2."""
    parser = make_parser()
    command = next((word for word in arguments if not word.startswith("-")), None)
    if command is not None and command not in parser.commands:
        parser.error(f"there is no command {command!r}{suggestion(command, [*parser.commands])}")
    asked = parser if command is None else parser.commands[command]
    if any(not word or re.fullmatch("--[^=]*=", word) for word in arguments):
        asked.error("an argument is empty, perhaps a variable that is not set; give what it names")
    for word in itertools.takewhile(lambda word: word != "--", arguments):
        name, options = word.partition("=")[0], asked._option_string_actions
        is_short = not name.startswith("--") and name[:2] in options
        if re.match("-[^0-9]", name) and " " not in word and name not in options and not is_short:
            asked.error(
                f"{command or 'zarrpyramid'} does not know {word!r}{suggestion(name, [*options])}"
            )
    given, unknown = parser.parse_known_args(arguments)
    for word in unknown:
        asked.error(
            f"{command or 'zarrpyramid'} does not know {word!r}; put what has spaces in quotes"
        )
    if given.command is None:
        parser.print_help(sys.stderr)
        parser.exit(2)
    given.parser = parser
    return given


if __name__ == "__main__":
    raise SystemExit(main())
