"""One grid, many forms: terminal, Markdown, CSV, JSON, LaTeX.

Names of files, classes and models are not ours: each form has its own escapes, so that a name is never taken for
markup, for a formula of a spreadsheet, or for a command of TeX.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from pathlib import Path

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from robustseg.files import cell_text, one_line, write_text
from robustseg.report.tables.grid import Cell, Grid

LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
}


def terminal(grid: Grid, decimals: int = 1) -> Group:
    """For rich's console: numbers to the right, gains green, losses red."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column, name in enumerate(grid.head):
        table.add_column(Text(one_line(name)), justify="right" if grid.numeric(column) else "left", overflow="fold")
    for place, row in enumerate(grid.rows):
        table.add_row(*_styled(row, grid, decimals), end_section=place == len(grid.rows) - 1 and bool(grid.summary))
    for row in grid.summary:
        table.add_row(*_styled(row, grid, decimals), style="bold")
    return Group(Text(one_line(grid.title), style="bold"), table, Text(one_line(grid.caption), style="dim"))


def markdown(grid: Grid, decimals: int = 2) -> str:
    """As a GitHub table, the summary's rows in bold, the caption below."""
    rules = ["--:" if grid.numeric(column) else ":--" for column in range(len(grid.head))]
    lines = ["| " + " | ".join(map(markdown_text, grid.head)) + " |", "|" + "|".join(rules) + "|"]
    for row in grid.rows:
        lines.append("| " + " | ".join(map(markdown_text, grid.texts(row, decimals))) + " |")
    for row in grid.summary:
        texts = (f"**{markdown_text(text)}**" if text else "" for text in grid.texts(row, decimals))
        lines.append("| " + " | ".join(texts) + " |")
    return "\n".join(lines) + "\n" + (f"\n{markdown_text(grid.caption)}\n" if grid.caption else "")


def latex(grid: Grid, decimals: int = 2) -> str:
    """As a `table` for the package booktabs, the summary's rows in bold, title and caption as its caption."""
    columns = "".join("r" if grid.numeric(column) else "l" for column in range(len(grid.head)))
    head = " & ".join(map(latex_text, grid.head))
    rows = [" & ".join(map(latex_text, grid.texts(row, decimals))) + r" \\" for row in grid.rows]
    bold = [
        " & ".join(rf"\textbf{{{latex_text(text)}}}" if text else "" for text in grid.texts(row, decimals)) + r" \\"
        for row in grid.summary
    ]
    caption = ". ".join(part.rstrip(".") for part in (grid.title, grid.caption) if part)
    lines = [
        "% needs \\usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{latex_text(caption)}.}}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        head + r" \\",
        r"\midrule",
        *rows,
        *([r"\midrule", *bold] if bold and rows else bold),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def comma_separated(grid: Grid, decimals: int = 4) -> str:
    """As CSV: the head, the rows, the summary's rows; numbers without sign or padding, empty = nothing to tell."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow([cell_text(name) for name in grid.head])
    for row in (*grid.rows, *grid.summary):
        rows.writerow([cell_text(cell) if isinstance(cell, str) else _number(cell, decimals) for cell in row])
    return text.getvalue()


def json_text(grid: Grid, decimals: int = 4) -> str:
    """As JSON: title, head, rows, summary, caption; null = nothing to tell."""
    about = {
        "title": grid.title,
        "head": grid.head,
        "rows": [[_plain(cell, decimals) for cell in row] for row in grid.rows],
        "summary": [[_plain(cell, decimals) for cell in row] for row in grid.summary],
        "caption": grid.caption,
    }
    return json.dumps(about, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def write_grid(path: Path, grid: Grid) -> None:
    """Writes a table in the form that the file's ending names: .md, .tex, .csv or .json.

    Raises:
        ValueError: The ending is none of them.
    """
    match path.suffix:
        case ".md":
            text = markdown(grid)
        case ".tex":
            text = latex(grid)
        case ".csv":
            text = comma_separated(grid)
        case ".json":
            text = json_text(grid)
        case _:
            raise ValueError(f"{path}: a table is written as .md, .tex, .csv or .json")
    write_text(path, text)


def markdown_text(text: str) -> str:
    r"""Text that Markdown shows as it is, on one line.

    Example:
        >>> print(markdown_text("a|b <i> night_fog"))
        a\|b \<i\> night_fog
    """
    text = re.sub(r"([\\|`*<>\[\]~])", r"\\\1", one_line(text))
    return re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", text)  # inside a word it marks nothing


def latex_text(text: str) -> str:
    r"""Text that TeX prints as it is, a leading minus as a minus.

    Example:
        >>> print(latex_text("50 % of R&D_1"))
        50 \% of R\&D\_1
    """
    text = "".join(LATEX.get(letter, letter) for letter in one_line(text))
    return re.sub(r"^-(?=\d)", "$-$", text)


def _number(cell: int | float | None, decimals: int) -> str:
    plain = _plain(cell, decimals)
    return "" if plain is None else f"{plain:.{decimals}f}" if isinstance(plain, float) else str(plain)


def _plain(cell: Cell, decimals: int) -> Cell:
    if isinstance(cell, float):
        return round(cell, decimals) if math.isfinite(cell) else None
    return cell


def _styled(row: tuple[Cell, ...], grid: Grid, decimals: int) -> list[Text]:
    texts = [Text(one_line(text)) for text in grid.texts(row, decimals)]
    for column in grid.signed:
        texts[column].stylize("green" if texts[column].plain.startswith("+") else "red")
    return texts
