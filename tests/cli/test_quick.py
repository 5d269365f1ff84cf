"""Starting quickly changes when things are done, and nothing else."""

import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from neo_mcp.cli.startup import collect_rarely, quick_imports

PYTHONS_OWN = (700, 10, 10)


@pytest.fixture(autouse=True)
def collector_as_before() -> Iterator[None]:
    thresholds = gc.get_threshold()
    gc.set_threshold(*PYTHONS_OWN)
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()


def test_models_of_the_start_are_built_when_they_are_first_used() -> None:
    with quick_imports():

        class Late(BaseModel):
            value: int

    class Usual(BaseModel):
        value: int

    assert Usual.__pydantic_complete__
    assert not Late.__pydantic_complete__
    assert Late.model_validate_json('{"value": 1}').value == 1
    assert Late.__pydantic_complete__


def test_models_of_modules_that_are_named_are_built_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "adapted.py").write_text(
        "from pydantic import BaseModel\n\nclass Adapted(BaseModel):\n    value: int\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with quick_imports("adapted"):
        pass
    assert sys.modules["adapted"].Adapted.__pydantic_complete__


def test_nothing_is_left_changed_for_what_comes_later() -> None:
    with quick_imports():
        assert not gc.isenabled()
    assert gc.isenabled()
    assert "defer_build" not in BaseModel.model_config


def test_the_collector_looks_less_often() -> None:
    collect_rarely()
    assert gc.get_threshold() > PYTHONS_OWN
