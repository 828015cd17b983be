"""`docs/jobs.md` shows a job that works and names everything that can be written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ocr_peer.job import parse_job
from ocr_peer.job.document import _EXAMPLES
from ocr_peer.pipeline.tasks import COMMON_ATTRIBUTES, TASK_TYPES

TEXT = (Path(__file__).parents[2] / "docs" / "jobs.md").read_text(encoding="utf-8")


def test_the_example_is_read_without_a_warning() -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    job, warnings = parse_job(example)
    assert warnings == []
    assert job.name == "EUR / USD"


@pytest.mark.parametrize("key", sorted(_EXAMPLES))
def test_every_key_is_described(key: str) -> None:
    assert (
        f"`{key}`" in TEXT or f"`{key.rpartition('.')[2]}`" in TEXT or key in {"relayConfig", "pluginConfig"}
    )


@pytest.mark.parametrize("type_name", sorted(TASK_TYPES))
def test_every_task_type_and_attribute_is_described(type_name: str) -> None:
    row = re.findall(rf"^\| `{type_name}` \|.*$", TEXT, re.MULTILINE)[0]
    for attribute in TASK_TYPES[type_name].attribute_names:
        assert f"`{attribute}`" in row


@pytest.mark.parametrize("attribute", COMMON_ATTRIBUTES)
def test_every_common_attribute_is_described(attribute: str) -> None:
    assert f"`{attribute}`" in TEXT
