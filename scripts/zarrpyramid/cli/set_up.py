"""Commands that set up a place to work: the workflow's files, and completion in a shell."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from .arguments import add_command

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from .arguments import Commands

_WITHOUT_SPACE = """
# After the key of a setting stands its value, without a space.
_zarrpyramid() {
  _shtab_zarrpyramid "$@"
  if [[ ${COMPREPLY[0]-} == *= ]]; then compopt -o nospace; fi
}
complete -o bashdefault -F _zarrpyramid zarrpyramid"""


def add_commands(commands: Commands) -> None:
    """Add the commands of this module to a parser."""
    command = add_command(
        commands,
        workflow,
        "copy the workflow's files into a folder, to run snakemake there",
        ("--copy pyramids", "--copy ~/pyramids"),
        good="the files are copied",
    )
    command.add_argument(
        "--copy", metavar="DIR", type=Path, required=True, help="folder for the files; it is made"
    )

    command = add_command(
        commands,
        completion,
        "print a script with which a shell completes commands and options at the tab key",
        (
            "bash >> ~/.bash_completion",
            "zsh > ~/.zfunc/_zarrpyramid  # a folder of $fpath",
        ),
        good="it is printed",
    )
    command.add_argument("shell", choices=("bash", "zsh"), help="the shell that reads it")


def workflow(given: argparse.Namespace) -> int:
    """Lay out the workflow's files."""
    from .layouts import lay_out

    folder = given.copy
    names = lay_out(folder)
    print(f"{folder}: {', '.join(names)}")
    print(f"now: cd {folder} && snakemake --cores all --config store=/data/brain.zarr field=raw")
    return 0


def completion(given: argparse.Namespace) -> int:
    """Print a script for a shell."""
    import shtab

    kinds = dict.fromkeys(("F", "FILE.ozx"), shtab.FILE)
    kinds |= dict.fromkeys(("STORE/FIELD", "ARRAY", "OTHER", "DIR", "FOLDER"), shtab.DIRECTORY)
    for command in given.parser.commands.values():
        for action in command._actions:
            if action.metavar in kinds:
                action.complete = kinds[action.metavar]
    from zarrpyramid.config import KEYWORDS, RUN

    for name, option, keys in (("build", "--set", KEYWORDS), ("plan", "--config", RUN)):
        words = sorted(keys)
        action = given.parser.commands[name]._option_string_actions[option]
        action.complete = _completed(f"_zarrpyramid_{name}_settings", words)
    print(shtab.complete(given.parser, given.shell))
    if given.shell == "bash":
        print(_WITHOUT_SPACE)
    return 0


def _completed(function: str, words: Sequence[str]) -> dict[str, Any]:
    """Return how both shells complete the key of a setting, for shtab: by a function of theirs."""
    listed = " ".join(words)
    bash = f'{function}() {{ compgen -S = -W "{listed}" -- "$1"; }}'
    return {
        **dict.fromkeys(("bash", "zsh"), function),
        "preamble": {"bash": bash, "zsh": f"{function}() {{ compadd -S = -- {listed} }}"},
    }
