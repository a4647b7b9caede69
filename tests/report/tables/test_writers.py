import csv
import io
import json
import math

import pytest
from rich.console import Console

from robustseg.report.tables import Grid, comma_separated, json_text, latex, markdown, terminal, write_grid

NASTY = Grid(
    title="50 % of R&D",
    head=("name_1", "score|x", "=SUM(A1)"),
    rows=(
        ("a|b\\c", 1.23456, -2.5),
        ("=HYPERLINK(1)", math.nan, 3.0),
        ('say "x", y', None, 0.125),
        ("two\nlines", 7, math.inf),
        ("-fog", -1.0, 1.0),
    ),
    summary=(("mean", 2.0, None),),
    signed=frozenset({2}),
    caption="$x^2$ of {a} ~ <b>",
)


def test_markdown_has_as_many_cells_in_every_row():
    lines = markdown(NASTY).splitlines()
    assert lines[0] == r"| name_1 | score\|x | =SUM(A1) |"
    assert lines[1] == "|:--|--:|--:|"
    assert lines[2] == r"| a\|b\\c | 1.23 | -2.50 |"
    assert lines[3] == "| =HYPERLINK(1) |  | +3.00 |"
    assert lines[5].startswith("| two lines | 7 | ")
    assert lines[7] == "| **mean** | **2.00** |  |"
    assert lines[-1] == r"$x^2$ of {a} \~ \<b\>"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("night_fog", "night_fog"),
        ("_x_", r"\_x\_"),
        ("*bold*", r"\*bold\*"),
        ("[a](http://b)", r"\[a\](http://b)"),
        ("`code`", r"\`code\`"),
    ],
)
def test_markdown_shows_names_as_they_are(text: str, shown: str):
    grid = Grid("", ("name",), ((text,),))
    assert markdown(grid).splitlines()[2] == f"| {shown} |"


def test_latex_is_booktabs_and_escaped():
    text = latex(NASTY)
    lines = text.splitlines()
    assert r"\begin{tabular}{lrr}" in lines
    assert [line for line in lines if line.endswith("rule")] == [r"\toprule", r"\midrule", r"\midrule", r"\bottomrule"]
    assert (
        r"\caption{50 \% of R\&D. \$x\textasciicircum{}2\$ of \{a\} \textasciitilde{} \textless{}b\textgreater{}.}"
        in lines
    )
    assert r"name\_1 & score\textbar{}x & =SUM(A1) \\" in lines
    assert r"a\textbar{}b\textbackslash{}c & 1.23 & $-$2.50 \\" in lines
    assert r"\textbf{mean} & \textbf{2.00} &  \\" in lines
    rows = [line for line in lines if line.endswith(r"\\")]
    assert len(rows) == 7
    assert all(line.replace(r"\&", "").count("&") == 2 for line in rows)


@pytest.mark.parametrize("letter", list("%&_#${}^~\\<>"))
def test_no_letter_is_a_command_to_tex(letter: str):
    cell = latex(Grid("", ("n",), ((f"a{letter}b",),))).splitlines()[7]
    body = cell.removesuffix(r" \\").replace(r"\textbackslash{}", "").replace(r"\{", "").replace(r"\}", "")
    bare = body.replace("\\" + letter, "").replace("{}", "")
    assert letter == "\\" or letter not in bare


def test_csv_holds_no_formula_and_full_numbers():
    rows = list(csv.reader(io.StringIO(comma_separated(NASTY))))
    assert rows[0] == ["name_1", "score|x", "'=SUM(A1)"]
    assert rows[1] == ["a|b\\c", "1.2346", "-2.5000"]
    assert rows[2] == ["'=HYPERLINK(1)", "", "3.0000"]
    assert rows[3][0] == 'say "x", y'
    assert rows[4] == ["two lines", "7", ""]
    assert rows[5] == ["'-fog", "-1.0000", "1.0000"]
    assert rows[6] == ["mean", "2.0000", ""]


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", " =1"])
def test_a_spreadsheet_takes_no_name_for_a_formula(text: str):
    row = next(csv.reader(io.StringIO(comma_separated(Grid("", (text,), ())), newline="")))
    assert row == ["'" + text]


def test_control_characters_end_no_row_and_hide_no_formula():
    rows = list(csv.reader(io.StringIO(comma_separated(Grid("", ("\r=1",), (("a\r\nb",), ("\t@x",)))), newline="")))
    assert rows == [["' =1"], ["a b"], ["' @x"]]


def test_json_is_strict_and_complete():
    about = json.loads(json_text(NASTY), parse_constant=pytest.fail)
    assert about["head"] == list(NASTY.head)
    assert about["rows"][0] == ["a|b\\c", 1.2346, -2.5]
    assert about["rows"][1][1] is None
    assert about["rows"][3] == ["two\nlines", 7, None]
    assert about["summary"] == [["mean", 2.0, None]]
    assert about["caption"] == NASTY.caption


def test_terminal_shows_markup_as_text():
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(terminal(Grid("t", ("[red]name[/red]",), (("[bold]x[/bold]",),))))
    text = console.export_text()
    assert "[red]name[/red]" in text
    assert "[bold]x[/bold]" in text


def test_no_name_steers_the_terminal():
    out = io.StringIO()
    Console(width=80, file=out).print(
        terminal(Grid("a\x1b[2J", ("b\x1b]0;x\x07",), (("c\x9b2J",),), caption="d\x1b[1m"))
    )
    assert not set("\x1b\x07\x9b") & set(out.getvalue())


def test_the_ending_names_the_form(tmp_path):
    for ending, write in ((".md", markdown), (".tex", latex), (".csv", comma_separated), (".json", json_text)):
        write_grid(tmp_path / f"table{ending}", NASTY)
        assert (tmp_path / f"table{ending}").read_text() == write(NASTY)
    with pytest.raises(ValueError, match=r"\.md, \.tex, \.csv or \.json"):
        write_grid(tmp_path / "table.xls", NASTY)


def test_rows_fit_their_head():
    with pytest.raises(ValueError, match="has 2 columns, a row has 1"):
        Grid("t", ("a", "b"), (("x",),))
