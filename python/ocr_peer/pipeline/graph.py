"""A parsed `observationSource`: tasks in dependency order, checked as far as can be before they run.

Source of the rules: the Chainlink node's `core/services/pipeline/graph.go` and `common.go`: an edge hands a
result on, a `$(task)` reference only makes a task wait; inputs are ordered by their `index`; the tasks that
nothing depends on are the final ones. What that node would report in every run is reported here once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from ocr_peer.durations import MINUTE_NS, SECOND_NS
from ocr_peer.errors import InputError
from ocr_peer.pipeline.grammar import Declaration, Graph, read_graph
from ocr_peer.pipeline.tasks import COMMON_ATTRIBUTES, LATER_TYPES, TASK_TYPES, Attributes, Task
from ocr_peer.pipeline.tasks.base import nearest

__all__ = ["RUN_VARIABLES", "Node", "Pipeline", "parse_pipeline"]

RUN_VARIABLES = frozenset({"jb", "jobRun", "jobSpec"})
"""Variables that a run may be given (`data_source.go`); no task may take these names."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED = RUN_VARIABLES | {"input", "node", "edge", "graph", "digraph", "subgraph", "strict"}
_MAX_ATTEMPTS = 10
_MAX_INDEX = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Node:
    """One task with its place in the graph and the attributes that every task has."""

    name: str
    task: Task
    index: int
    """Orders inputs of one task, and final results."""
    inputs: tuple[str, ...]
    """Tasks with an edge to this one, in the order in which it sees them."""
    dependencies: tuple[str, ...]
    """Tasks that end before this one starts: its inputs and those it refers to."""
    timeout_ns: int | None
    """Limit of one attempt; `None` leaves only the run's."""
    attempts: int
    """Most attempts; 1 means no retry. The Chainlink node reads `retries` like this too."""
    min_backoff_ns: int
    max_backoff_ns: int
    fail_early: bool
    """Whether this task's failure ends the run."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A checked pipeline; `ocr_peer.pipeline.run` runs it."""

    source: str
    nodes: tuple[Node, ...]
    """Every task after those that it depends on."""
    finals: tuple[str, ...]
    """Tasks that nothing depends on, by index; one of them is the answer of an OCR job."""
    remarks: tuple[str, ...] = ()
    """What the text says without effect; part of what `lint` reports."""

    def node(self, name: str) -> Node:
        """The node of that name; raises `KeyError`."""
        return next(node for node in self.nodes if node.name == name)


def parse_pipeline(source: str, *, field: str = "observationSource") -> Pipeline:
    """Read and check a pipeline; `field` names the text in errors.

    Raises:
        InputError: with line and column, if the text is not the DOT dialect of jobs, a task type or
            attribute is unknown or wrong, an edge or reference leads nowhere, tasks wait for each other in a
            circle, a task lacks inputs, or several final tasks are not told apart by `index`.
    """
    graph = read_graph(source, field=field)
    if not graph.declarations:
        raise InputError(
            field, source, "holds no task", 'declare one, as in ds1 [type="http" url="https://…"]'
        )
    _check_names(graph, field)
    attributes = {name: Attributes(found, field) for name, found in graph.declarations.items()}
    tasks = {name: _task(found) for name, found in attributes.items()}
    explicit = {name: _sources(graph, name) for name in tasks}
    dependencies = {name: _dependencies(attributes[name], tasks, explicit[name]) for name in tasks}
    order = _dependency_order(graph, dependencies, field)
    indexes = _indexes(attributes)
    rank = {name: position for position, name in enumerate(order)}
    nodes: list[Node] = []
    for name in order:
        problem = tasks[name].input_problem(len(explicit[name]))
        if problem is not None:
            raise InputError(_where(graph.declarations[name], field), name, *problem)
        inputs = tuple(sorted(explicit[name], key=lambda source: (indexes[source], rank[source])))
        nodes.append(_node(attributes[name], tasks[name], indexes[name], inputs, dependencies[name]))
    needed = {dependency for found in dependencies.values() for dependency in found}
    finals = sorted((name for name in order if name not in needed), key=lambda name: indexes[name])
    _check_finals(finals, indexes, attributes)
    remarks = [
        f"{found.place}: {found.name}={found.value} says nothing about a task" for found in graph.settings
    ]
    return Pipeline(source, tuple(nodes), tuple(finals), tuple(remarks))


def _check_names(graph: Graph, field: str) -> None:
    for name, declaration in graph.declarations.items():
        if not _NAME.fullmatch(name) or name in _RESERVED:
            problem = "is reserved" if name in _RESERVED else "is not a task name"
            raise InputError(
                _where(declaration, field), name, problem, "use another name of letters, digits and _"
            )
    for edge in graph.edges:
        for name in (edge.source, edge.target):
            if name not in graph.declarations:
                where = f"{field} {edge.place}"
                raise InputError(
                    where, name, "is no task declared here", _did_you_mean(name, graph.declarations)
                )


def _task(attributes: Attributes) -> Task:
    type_name = attributes.required("type", 'type="http", or another task type').lower()
    if type_name in LATER_TYPES:
        raise attributes.error(
            "type",
            f"task type '{type_name}' is not supported yet",
            f"use {', '.join(sorted(TASK_TYPES))}; in place of a bridge, http can ask its adapter",
        )
    if type_name not in TASK_TYPES:
        raise attributes.error("type", "is an unknown task type", _did_you_mean(type_name, TASK_TYPES))
    task_type = TASK_TYPES[type_name]
    attributes.refuse_unknown((*COMMON_ATTRIBUTES, *task_type.attribute_names))
    return task_type.from_attributes(attributes)


def _sources(graph: Graph, name: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(edge.source for edge in graph.edges if edge.target == name))


def _dependencies(
    attributes: Attributes, tasks: dict[str, Task], explicit: tuple[str, ...]
) -> tuple[str, ...]:
    name = attributes.declaration.name
    found = list(explicit)
    for reference in tasks[name].references:
        if reference.root in tasks:
            found.append(reference.root)
        elif reference.root not in RUN_VARIABLES:
            raise InputError(
                _where(attributes.declaration, attributes.field),
                str(reference),
                f"{name} refers to a task that is not declared here",
                _did_you_mean(reference.root, tasks),
            )
    return tuple(dict.fromkeys(found))


def _dependency_order(graph: Graph, dependencies: dict[str, tuple[str, ...]], field: str) -> list[str]:
    """Every task after its dependencies, otherwise as declared; raises `InputError` naming a circle."""
    order: dict[str, None] = {}
    path: dict[str, None] = {}
    # Depth first without recursion: a stack entry is entered once and left once.
    stack = [(name, False) for name in reversed(dependencies)]
    while stack:
        name, leaving = stack.pop()
        if leaving:
            del path[name]
            order[name] = None
        elif name in path:
            circle = [*list(path)[list(path).index(name) :], name]
            shown = " -> ".join(reversed(circle))
            where = _where(graph.declarations[name], field)
            raise InputError(where, shown, "tasks wait for each other in a circle", "remove one of the edges")
        elif name not in order:
            path[name] = None
            stack.append((name, True))
            stack.extend((dependency, False) for dependency in reversed(dependencies[name]))
    return list(order)


def _indexes(attributes: dict[str, Attributes]) -> dict[str, int]:
    """Each task's index, 0 unless given; raises `InputError` if two tasks share a positive one."""
    indexes: dict[str, int] = {}
    owner: dict[int, str] = {}
    for name, found in attributes.items():
        index = found.integer("index", 0, _MAX_INDEX) or 0
        if index > 0 and index in owner:
            raise found.error("index", f"is the index of {owner[index]} too", "give every task its own index")
        owner[index] = name
        indexes[name] = index
    return indexes


def _node(
    attributes: Attributes, task: Task, index: int, inputs: tuple[str, ...], dependencies: tuple[str, ...]
) -> Node:
    timeout_ns = attributes.duration_ns("timeout")
    min_backoff_ns = attributes.duration_ns("minBackoff") or 5 * SECOND_NS
    return Node(
        name=attributes.declaration.name,
        task=task,
        index=index,
        inputs=inputs,
        dependencies=dependencies,
        timeout_ns=task.default_timeout_ns if timeout_ns is None else timeout_ns or None,
        attempts=max(1, attributes.integer("retries", 0, _MAX_ATTEMPTS) or 1),
        min_backoff_ns=min_backoff_ns,
        max_backoff_ns=max(min_backoff_ns, attributes.duration_ns("maxBackoff") or MINUTE_NS),
        fail_early=attributes.boolean("failEarly") or False,
    )


def _check_finals(finals: list[str], indexes: dict[str, int], attributes: dict[str, Attributes]) -> None:
    for first, second in pairwise(finals):
        if indexes[first] == indexes[second]:
            raise attributes[second].error(
                "index",
                f"{first} and {second} are both final (nothing depends on them) with index {indexes[first]}",
                "add the edge that is missing, or give each final task an index of its own",
            )


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    close = nearest(name, names)
    return f"did you mean {close}?" if close else f"known are {', '.join(names[:20])}"


def _where(declaration: Declaration, field: str) -> str:
    return f"{field} {declaration.place}"
