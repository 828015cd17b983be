"""Warnings about pipelines that run but rarely do what their author wants."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from ocr_peer.durations import format_duration
from ocr_peer.pipeline.graph import Node, Pipeline
from ocr_peer.pipeline.tasks.aggregation import Aggregation, Mean, Sum
from ocr_peer.pipeline.tasks.http import Http
from ocr_peer.pipeline.tasks.jsonparse import JsonParse

__all__ = ["lint"]


def lint(pipeline: Pipeline) -> tuple[str, ...]:
    """One line per finding, each naming the task, what may go wrong and what to do about it."""
    return (
        *pipeline.remarks,
        *(warning for node in pipeline.nodes for warning in _node_warnings(node)),
        *_source_warnings(pipeline),
        *_final_warnings(pipeline),
    )


def _node_warnings(node: Node) -> Iterator[str]:
    match node.task:
        case Http():
            yield from _http_warnings(node, node.task)
        case JsonParse():
            yield from _path_warnings(node, node.task)
        case Aggregation():
            yield from _aggregation_warnings(node, node.task)
    if not isinstance(node.task, Http) and node.attempts > 1:
        yield f"{node.name}: retries has no effect on {node.task.type_name}; set it on the http task"


def _http_warnings(node: Node, task: Http) -> Iterator[str]:
    if node.timeout_ns is None:
        yield f'{node.name}: timeout=0 leaves only the round\'s deadline; set a timeout such as "4s"'
    elif node.timeout_ns == task.default_timeout_ns:
        limit = format_duration(node.timeout_ns)
        yield f'{node.name}: its limit of {limit} is longer than most rounds; set a timeout such as "4s"'
    address = task.url.shape
    if isinstance(address, str) and address.startswith("http://") and not _is_local(address):
        yield f"{node.name}: http:// lets anyone on the way change the price; use https://"


def _path_warnings(node: Node, task: JsonParse) -> Iterator[str]:
    path = task.path.shape if task.path else None
    if path is None:
        yield f"{node.name}: has no path, so the whole document is its value; add path"
    if isinstance(path, str) and any(part != part.strip() for part in path.split(task.separator)):
        yield f"{node.name}: blanks in path {path!r} are part of the keys; remove them"


def _aggregation_warnings(node: Node, task: Aggregation) -> Iterator[str]:
    shape = task.values.shape if task.values else None
    count = len(node.inputs) if shape is None else len(shape) if isinstance(shape, list) else None
    faults = task.allowed_faults
    if faults is None:
        tolerates = "all inputs but one" if count is None else f"{count - 1} of {count} inputs"
        if count != 1:
            yield f"{node.name}: without allowedFaults it lets {tolerates} fail; set allowedFaults"
    elif count is not None and faults >= count:
        yield f"{node.name}: allowedFaults={faults} of {count} inputs never takes effect; lower it"
    elif count is not None and count > 1 and 2 * faults >= count:
        yield f"{node.name}: with allowedFaults={faults} a minority of its {count} inputs decides; lower it"
    if isinstance(task, Sum) and faults != 0 and count != 1:
        yield f"{node.name}: sums up the inputs that happen to be there; set allowedFaults=0"
    if isinstance(task, Mean) and count != 1:
        yield f"{node.name}: one far-off input moves a mean at will; use median for prices"


def _source_warnings(pipeline: Pipeline) -> Iterator[str]:
    sources = [(node.name, node.task) for node in pipeline.nodes if isinstance(node.task, Http)]
    first: dict[object, str] = {}
    for name, task in sources:
        key = (task.method, task.url, repr(task.request_data))
        if key in first:
            yield f"{name}: asks the same as {first[key]}, so both fail together; use another source"
        first.setdefault(key, name)
    if len(sources) == 1:
        yield f"{sources[0][0]}: is the only source; add others and a median, lest it stop the feed"


def _final_warnings(pipeline: Pipeline) -> Iterator[str]:
    if len(pipeline.finals) > 1:
        yield f"{', '.join(pipeline.finals)}: are all final, and an OCR job needs exactly one; add edges"


def _is_local(address: str) -> bool:
    host = address.removeprefix("http://").partition("/")[0].rpartition("@")[2]
    host = host[1 : host.find("]")] if host.startswith("[") else host.partition(":")[0]
    try:
        return ip_address(host).is_private
    except ValueError:
        return host == "localhost" or "." not in host
