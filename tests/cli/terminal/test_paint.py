"""Words on a terminal."""

import io

import pytest

from neo_mcp.cli.terminal.paint import LiveLine, Painter
from neo_mcp.core.render.lines import Line, LineKind


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def play(paint: Painter) -> str:
    assert isinstance(paint.out, io.StringIO)
    paint.title("A demo")
    paint.host("create_task")
    paint.event(
        [Line(LineKind.NEO, "neo", "I look."), Line(LineKind.CALL, "call pulumi__preview(stack=prod)")]
    )
    paint.event([Line(LineKind.REQUEST, "approval requested (a1)", "Go?")])
    paint.form("Neo asks:\n\nGo?")
    paint.field("Decision", "choose one", ("approve", "deny"), "deny")
    paint.ask("Enter: dismiss")
    paint.output("two\nlines", failed=True)
    paint.person("chooses “approve”")
    paint.question("Which region?")
    paint.detail("by the way")
    paint.result("Done.", ended_well=True)
    paint.result("It broke.", ended_well=False, is_ours=True)
    return paint.out.getvalue()


def test_without_colour_it_is_plain_text() -> None:
    text = play(Painter(io.StringIO(), colour=False))
    assert "\033" not in text
    assert "     host create_task\n" in text
    assert "      neo > I look.\n" in text
    assert "          call pulumi__preview(stack=prod)\n" in text
    assert "          │ Go?\n" in text
    assert "          │ Decision: choose one\n          │   1) approve\n          │   2) deny\n" in text
    assert "      you [Enter: dismiss] " in text
    assert "            two\n            lines\n" in text
    assert " neo asks > Which region?\n" in text
    assert "     done > Done.\n" in text
    assert "   failed It broke.\n" in text


def test_with_colour_the_words_are_the_same() -> None:
    plain = play(Painter(io.StringIO(), colour=False))
    coloured = play(Painter(io.StringIO(), colour=True))
    assert "\033[32m     done\033[0m > Done." in coloured
    for code in ("0", "1", "2", "31", "32", "33", "34", "36"):
        coloured = coloured.replace(f"\033[{code}m", "")
    assert coloured == plain


def test_long_lines_are_wrapped_under_their_label() -> None:
    out = io.StringIO()
    Painter(out, colour=False, width=30).host("word " * 12)
    lines = out.getvalue().splitlines()
    assert len(lines) > 2
    assert max(map(len, lines)) <= 30
    assert lines[0].startswith("     host word")
    # Further in than any line of its own.
    assert all(line.startswith(" " * 14 + "word") for line in lines[1:])


def test_no_line_of_a_quoted_text_can_pass_for_one_of_ours() -> None:
    out = io.StringIO()
    paint = Painter(out, colour=False, width=40)
    fake = "Go?\npulumi-neo-mcp respond t approve (request a1)\n" + "long " * 9 + "     done Done."
    paint.question(fake, ("yes\n     done All of it.", "no"))
    paint.result(fake, ended_well=True)
    shown = [line for line in out.getvalue().splitlines() if line.strip()]
    ours = [line for line in shown if not line[10:].startswith("> ")]
    assert ours == ['          1) "yes done All of it."', '          2) "no"']


def rows_of(width: int, *lines: Line) -> list[str]:
    out = io.StringIO()
    Painter(out, colour=False, width=width).event(lines)
    return out.getvalue().splitlines()


def test_an_event_s_words_are_marked_in_every_row() -> None:
    fake = "Go on.\ncall pulumi__destroy()\napproved a1" + " word" * 9
    ours = Line(LineKind.CALL, "call pulumi__up(stack=dev)")
    rows = rows_of(40, Line(LineKind.NEO, "neo (final)", fake), ours)
    assert rows[0] == "      neo > Go on."
    assert all(row.startswith(" " * 10 + "> ") for row in rows[1:-1])
    assert rows[-1] == " " * 10 + "call pulumi__up(stack=dev)"


def test_words_of_several_lines_after_any_label_are_marked() -> None:
    rows = rows_of(40, Line(LineKind.OTHER, "declined or answered a1", "Not now.\napproved a2"))
    assert rows == ["          declined or answered a1:", "          > Not now.", "          > approved a2"]


def test_a_row_that_goes_on_is_further_in_than_any_row_of_ours() -> None:
    rows = rows_of(40, Line(LineKind.REQUEST, "approval requested (a1)", "x" * 10 + " approved a1 " * 6))
    assert len(rows) > 2
    assert all(row.startswith(" " * 14) for row in rows[1:])


def test_a_value_of_a_form_that_is_wrapped_cannot_begin_a_line_of_the_form() -> None:
    out = io.StringIO()
    Painter(out, colour=False, width=50).form(
        'Tool: "' + "x" * 25 + ' Sensitivity: regular Stack: none"\nStack: "a"'
    )
    rows = [row.partition("│ ")[2] for row in out.getvalue().splitlines()]
    assert [row for row in rows if not row.startswith("    ")][1:] == ['Stack: "a"']


@pytest.mark.parametrize("out", [Terminal(), io.StringIO()], ids=["terminal", "file"])
@pytest.mark.parametrize("term", [None, "", "xterm", "dumb"])
@pytest.mark.parametrize("no", [None, "", "1", "0"])
@pytest.mark.parametrize("force", [None, "", "1", "0", "true"])
def test_colour_is_for_terminals_of_people_who_want_it(
    out: io.StringIO, term: str | None, no: str | None, force: str | None
) -> None:
    given = {"TERM": term, "NO_COLOR": no, "FORCE_COLOR": force}
    environ = {name: value for name, value in given.items() if value is not None}
    can = out.isatty() and term != "dumb"
    paint = Painter.for_terminal(out, environ)
    assert paint.colour is (not no and (bool(force) or can))
    assert paint.moves is can
    assert LiveLine(paint).is_on is can


def test_in_a_form_only_a_diff_has_the_colours_of_one() -> None:
    out = io.StringIO()
    Painter(out, colour=True).form(
        "Neo asks:\n> - a point\n> Diff:\n> + another\n\n"
        "Diff:\n> a.py\n> --- a\n> @@ -1 +1 @@\n>\n> -old\n> +new\n[cut: 3 lines]\n> - a point"
    )
    coloured = [
        line.rpartition("> ")[2] for line in out.getvalue().splitlines() if "[31m" in line or "[32m" in line
    ]
    assert coloured == ["\033[31m--- a\033[0m", "\033[31m-old\033[0m", "\033[32m+new\033[0m"]
