"""The task types, one module a family, and the registry that names them."""

from __future__ import annotations

from ocr_peer.pipeline.tasks.aggregation import Any, Mean, Median, Sum
from ocr_peer.pipeline.tasks.arithmetic import Divide, Multiply
from ocr_peer.pipeline.tasks.base import Attributes, RunContext, Task
from ocr_peer.pipeline.tasks.http import Http
from ocr_peer.pipeline.tasks.jsonparse import JsonParse
from ocr_peer.pipeline.tasks.memo import Memo

__all__ = ["COMMON_ATTRIBUTES", "LATER_TYPES", "TASK_TYPES", "Attributes", "RunContext", "Task"]

TASK_TYPES: dict[str, type[Task]] = {
    task.type_name: task for task in (Any, Divide, Http, JsonParse, Mean, Median, Memo, Multiply, Sum)
}
"""Every supported task type by its name."""

LATER_TYPES = frozenset(
    [
        "average",
        "base64decode",
        "base64encode",
        "bridge",
        "cborparse",
        "coalesce",
        "conditional",
        "contractread",
        "estimategaslimit",
        "ethabidecode",
        "ethabidecodelog",
        "ethabiencode",
        "ethabiencode2",
        "ethcall",
        "ethtx",
        "fail",
        "hexdecode",
        "hexencode",
        "length",
        "lessthan",
        "lowercase",
        "merge",
        "mode",
        "panic",
        "uppercase",
        "vrf",
        "vrfv2",
        "vrfv2plus",
    ]
)
"""Types that the Chainlink node knows and this one does not support yet."""

COMMON_ATTRIBUTES = (
    "type",
    "index",
    "timeout",
    "failEarly",
    "retries",
    "minBackoff",
    "maxBackoff",
    "tags",
    "streamID",
)
"""Attributes that every task may have (`task.base.go`); `tags` and `streamID` have no effect here."""
