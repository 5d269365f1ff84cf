"""Diffs as lines."""

from hypothesis import given
from hypothesis import strategies as st

from neo_mcp.core.sanitize import Tally, clean
from neo_mcp.core.view.diff import CHARACTERS, MAX_FILES, files
from tests.core.events import TEXT

PATCH = """diff --git a/x.py b/x.py
index 1..2 100644
--- a/x.py
+++ b/x.py
@@ -1,2 +1,3 @@
 same
-old
+new
+newer
"""


def test_lines_have_their_kinds_and_no_signs() -> None:
    (file,) = files({"x.py": PATCH}, Tally())
    assert file == {
        "path": "x.py",
        "kind": "changed",
        "added": 2,
        "removed": 1,
        "lines": [
            {"k": "@", "s": "@@ -1,2 +1,3 @@"},
            {"k": " ", "s": "same"},
            {"k": "-", "s": "old"},
            {"k": "+", "s": "new"},
            {"k": "+", "s": "newer"},
        ],
        "cut": 0,
    }


def test_a_file_that_comes_or_goes_is_known_by_its_header() -> None:
    come = "--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+a\n"
    gone = "deleted file mode 100644\n--- a/x\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n"
    assert [file["kind"] for file in files({"a": come, "b": gone}, Tally())] == ["added", "removed"]


def test_a_removed_line_of_dashes_is_no_header() -> None:
    (file,) = files({"x.sql": "@@ -1 +0,0 @@\n--- a comment\n"}, Tally())
    assert file["lines"][1] == {"k": "-", "s": "-- a comment"}


def test_what_is_left_out_is_counted() -> None:
    patch = "@@ -1 +1 @@\n" + "+line\n" * 50_000
    (file,) = files({"x": patch}, Tally())
    assert file["added"] == 50_000
    assert len(file["lines"]) + file["cut"] == 50_001
    assert file["cut"] > 0


def test_all_files_share_the_room() -> None:
    patch = "@@ -1 +1 @@\n" + "+line\n" * 3000
    found = files({f"f{n}": patch for n in range(MAX_FILES + 9)}, Tally())
    assert len(found) == MAX_FILES
    assert sum(len(line["s"]) for file in found for line in file["lines"]) <= CHARACTERS
    assert found[0]["cut"] == 0
    assert found[-1]["lines"] == []
    assert found[-1]["cut"] == 3001


def test_a_secret_is_not_shown_in_part_where_the_room_ends() -> None:
    secret = "AWS_SECRET_ACCESS_KEY=" + "aB3/" * 10
    for room in range(40, 120):
        (file,) = files({"x": f"+first\n+{secret}\n"}, Tally(), budget=room)
        assert "aB3/" not in str(file)


@given(st.dictionaries(TEXT, TEXT | st.text("+-@ \n\\a", max_size=60), max_size=4))
def test_whatever_the_patch_every_line_is_accounted_for_and_clean(diff: dict[str, str]) -> None:
    for file in files(diff, Tally()):
        for line in file["lines"]:
            assert line["k"] in " +-@"
            assert "\n" not in line["s"]
            assert clean(line["s"]) == line["s"]
        assert file["cut"] >= 0
