"""The command line: a table of typed functions, each of which can be called from Python as it is."""

from __future__ import annotations

import inspect
import os
import re
import sys
from collections.abc import Callable, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentError, ArgumentParser, DefaultHelpFormatter
from rich.console import Console
from rich.text import Text

from robustseg import commands
from robustseg.recipe import Recipe
from robustseg.recipe_file import add_recipe_arguments, read_recipe, refuse_groups, to_recipe
from robustseg.version import __version__

COMMANDS: dict[str, Callable[..., None]] = {
    "train": commands.train,
    "evaluate": commands.evaluate_model,
    "calibrate": commands.calibrate,
    "health": commands.health,
    "expect": commands.expect,
    "report": commands.report,
    "compare": commands.compare,
    "benchmark": commands.benchmark,
    "explore": commands.explore,
    "predict": commands.predict,
    "submit": commands.submit,
    "export": commands.export_files,
    "convert": commands.convert,
    "push": commands.push,
    "data make-world": commands.make_world,
    "data check": commands.check_data,
    "data stats": commands.show_stats,
    "data fake": commands.fake_data,
    "data conventions": commands.show_conventions,
    "data project": commands.project,
    "demo": commands.demo,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; gives 0, or 1 after one line that says what is wrong and what to do.

    Wrong flags end with argparse's exit status 2.
    """
    try:
        status = _main(list(sys.argv[1:] if arguments is None else arguments))
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # whoever read the output, `head` perhaps, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _main(words: list[str]) -> int:
    if words == ["--version"]:
        print(f"robustseg {__version__}")
        return 0
    name, rest = _command(words)
    if name is None and (not words or words[0] == "help" or words[-1] in ("-h", "--help")):
        print(_overview())
        return 0
    if name is None:
        return _fail(f"there is no command {' '.join(words[:2])!r}; robustseg --help lists them", 2)
    try:
        run(COMMANDS[name], name, rest)
    except ArgumentError as error:
        return _fail(f"{' '.join(str(error).split())}; robustseg {name} --help explains every flag", 2)
    except BrokenPipeError:
        raise
    except (ValueError, OSError) as error:
        return _fail(str(error).strip())
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        return _fail("out of memory: lower the batch size or the image size, or name another device")
    except KeyboardInterrupt:
        go_on = {
            "train": ": the same command, without --restart, goes on from the last checkpoint",
            "evaluate": ": the same command goes on where it was",
            "compare": ": the same command, without --redo, goes on where it was",
        }
        return _fail(f"stopped{go_on.get(name, '')}", 130)
    return 0


def run(function: Callable[..., None], name: str, arguments: list[str]) -> None:
    """Parses the arguments of one command by its function's signature and calls it.

    Raises:
        ArgumentError: A flag is unknown, missing or of the wrong type.
    """
    parameters = inspect.signature(function).parameters
    several = next((key for key, entry in parameters.items() if entry.kind is entry.VAR_POSITIONAL), None)
    arguments = _plain_flags(arguments, {key for key, entry in parameters.items() if isinstance(entry.default, bool)})
    arguments = _with_names(arguments, list(parameters.values()))
    takes_recipe = "recipe" in parameters
    usage = f"robustseg {name} RECIPE [--key value ...]" if takes_recipe else None
    text = (inspect.getdoc(function) or "").partition("\n\nArgs:")[0]
    parser = ArgumentParser(
        prog=f"robustseg {name}", description=text, usage=usage, exit_on_error=False, formatter_class=_Paragraphs
    )
    if not takes_recipe:
        if several:
            parser.add_argument(several.upper(), nargs="+", type=Path, help=_said_of(function, several))
        parser.add_function_arguments(function, as_positional=True)
        values = parser.instantiate(parser.parse_args(arguments)).as_dict()
        function(*(values.pop(several.upper()) if several else ()), **values)
        return
    parser.add_argument("RECIPE", type=str, help="A recipe file; every key below can be overridden.")
    own = parser.add_function_arguments(function, skip={"recipe"})
    if arguments and arguments[0].startswith("-") and arguments[0] not in ("-h", "--help"):
        raise ValueError(f"robustseg {name} RECIPE ...: the recipe comes first, then the flags")
    path = arguments[0] if arguments and not arguments[0].startswith("-") else None
    refuse_groups(arguments)
    add_recipe_arguments(parser, read_recipe(path) if path else Recipe())
    values = parser.instantiate(parser.parse_args(arguments))
    function(recipe=to_recipe(values), **{key: values[key] for key in own})


class _Paragraphs(DefaultHelpFormatter):
    """Help text with its paragraphs; those that are indented, examples, stay as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        paragraphs = text.split("\n\n")
        filled = (
            part if part.startswith(" ") else super(_Paragraphs, self)._fill_text(part, width, indent)
            for part in paragraphs
        )
        return "\n\n".join(filled)


def _said_of(function: Callable[..., Any], parameter: str) -> str:
    """What a function's docstring says of a parameter, on one line."""
    text = inspect.getdoc(function) or ""
    found = re.search(rf"^    \*?{parameter}: (.*?)(?=^    \S|^\S|\Z)", text, re.MULTILINE | re.DOTALL)
    return " ".join(found[1].split()) if found else ""


def _plain_flags(arguments: list[str], switches: set[str]) -> list[str]:
    """Flags as the parser wants them: with underscores, and a bare `--restart` as `--restart=true`.

    Example:
        >>> _plain_flags(["--restart", "--recipe-file", "a-b"], {"restart"})
        ['--restart=true', '--recipe_file', 'a-b']
    """
    plain = []
    for place, word in enumerate(arguments):
        flag, equals, value = word.partition("=")
        if word.startswith("--"):
            flag = "--" + flag[2:].replace("-", "_")
        following = arguments[place + 1].lower() if place + 1 < len(arguments) else ""
        bare = flag.startswith("--") and flag[2:] in switches and not equals and following not in ("true", "false")
        plain.append(f"{flag}=true" if bare else flag + equals + value)
    return plain


def _with_names(arguments: list[str], parameters: list[inspect.Parameter]) -> list[str]:
    """Words that stand for a parameter that may be left out, which the parser only knows as a flag.

    Example:
        >>> def explore(model: str, data: str = "", *, port: int = 1): ...
        >>> _with_names(["m", "d", "--port", "2"], list(inspect.signature(explore).parameters.values()))
        ['m', '--data=d', '--port', '2']
    """
    placed = [entry for entry in parameters if entry.kind is entry.POSITIONAL_OR_KEYWORD]
    words = list(takewhile(lambda word: not word.startswith("-"), arguments))
    named = [
        word if entry.default is entry.empty else f"--{entry.name}={word}"
        for entry, word in zip(placed, words, strict=False)
    ]
    return named + arguments[len(named) :]


def _command(words: list[str]) -> tuple[str | None, list[str]]:
    for length in (2, 1):
        name = " ".join(words[:length])
        if name in COMMANDS:
            return name, words[length:]
    return None, words


def _overview() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {_first_line(function)}" for name, function in COMMANDS.items()]
    return "\n".join(
        [
            "robustseg: segmentation that survives missing sensors",
            "",
            "usage: robustseg COMMAND ...   (robustseg COMMAND --help explains it)",
            "",
            *lines,
        ]
    )


def _first_line(function: Callable[..., Any]) -> str:
    return (inspect.getdoc(function) or "").splitlines()[0]


def _is_out_of_memory(error: Exception) -> bool:
    """Memory of the machine or of an accelerator; PyTorch has no one type for both."""
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or "not enough memory" in str(error)
        or "can't allocate memory" in str(error)
    )


def _fail(message: str, status: int = 1) -> int:
    Console(stderr=True, highlight=False, soft_wrap=True).print(Text.assemble(("error:", "bold red"), " ", message))
    return status


if __name__ == "__main__":
    sys.exit(main())
