"""What is done to the source: guards taken out, boundaries moved, effects and records dropped.

Every operator is an edit of the text at the place of a syntax node, so that a survivor can be shown as the
line it would have been. Wording, annotations, docstrings and `__repr__` are left alone.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

from tests.mutants.source import Edit, Module, Mutant

__all__ = ["mutants_of"]

_WORDING = {"InputError", "InvariantError", "Milestone", "PeerFault", "Undecodable", "_malformed"}
"""Calls that only say something to people; dropping the whole effect is a mutant, rewording it is none."""

_COMPARISONS: dict[type[ast.cmpop], tuple[str, ...]] = {
    ast.Lt: ("<=", ">="),
    ast.LtE: ("<", ">"),
    ast.Gt: (">=", "<="),
    ast.GtE: (">", "<"),
    ast.Eq: ("!=",),
    ast.NotEq: ("==",),
    ast.Is: ("is not",),
    ast.IsNot: ("is",),
    ast.In: ("not in",),
    ast.NotIn: ("in",),
}
_ARITHMETIC: dict[type[ast.operator], str] = {
    ast.Add: "-",
    ast.Sub: "+",
    ast.Mult: "//",
    ast.FloorDiv: "*",
    ast.Mod: "*",
    ast.Pow: "*",
    ast.BitAnd: "|",
    ast.BitOr: "&",
    ast.LShift: ">>",
    ast.RShift: "<<",
}
_CALLS = {"min": "max", "max": "min", "any": "all", "all": "any", "sorted": "list", "abs": "int"}


def mutants_of(module: Module) -> list[Mutant]:
    """All mutants, numbered in the order of the text."""
    finder = _Finder(module)
    finder.visit(ast.parse(module.source))
    edits = sorted(set(finder.edits), key=lambda edit: (edit.start, edit.stop, edit.operator, edit.text))
    return [Mutant(module, number, edit) for number, edit in enumerate(edits, start=1)]


class _Finder(ast.NodeVisitor):
    """Collects the edits of one module."""

    def __init__(self, module: Module) -> None:
        self.edits: list[Edit] = []
        self._module = module
        self._lines = module.source.splitlines(keepends=True)
        self._scope: list[str] = []
        self._returns: list[ast.expr | None] = []

    # Places and texts

    def _start(self, node: ast.AST) -> int:
        return self._offset(node.lineno, node.col_offset)  # type: ignore[attr-defined]

    def _stop(self, node: ast.AST) -> int:
        return self._offset(node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]

    def _offset(self, line: int, column: int) -> int:
        # Columns count UTF-8 bytes, and the core writes Δ.
        text = self._lines[line - 1].encode()[:column].decode()
        return self._module.line_starts[line - 1] + len(text)

    def _text(self, node: ast.AST) -> str:
        return self._module.source[self._start(node) : self._stop(node)]

    def _edit(self, node: ast.AST, text: str, operator: str) -> None:
        self._edit_span(self._start(node), self._stop(node), text, operator)

    def _edit_span(self, start: int, stop: int, text: str, operator: str) -> None:
        function = ".".join(self._scope) or "<module>"
        self.edits.append(Edit(start, stop, text, operator, function, at_import=not self._returns))

    def _between(self, left: ast.AST, right: ast.AST, sign: str, replacement: str, operator: str) -> None:
        """Replace the sign that stands between two operands, which may be parenthesised."""
        start, stop = self._stop(left), self._start(right)
        pattern = r"\s+".join(re.escape(word) for word in sign.split())
        found = re.search(pattern, self._module.source[start:stop])
        if found is None:
            raise AssertionError(f"no {sign!r} at {self._module.name}:{self._module.line_of(start)}")
        self._edit_span(start + found.start(), start + found.end(), replacement, operator)

    def _visit_all(self, nodes: Iterable[ast.AST | None]) -> None:
        for node in nodes:
            if node is not None:
                self.visit(node)

    # Definitions

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        if node.name == "__repr__":
            return
        self._scope.append(node.name)
        self._returns.append(node.returns)
        self._visit_all([*node.args.defaults, *node.args.kw_defaults, *node.body])
        self._returns.pop()
        self._scope.pop()

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._scope.append(node.name)
        self._visit_all(node.body)
        self._scope.pop()

    # Statements

    def visit_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Constant):
            return
        if isinstance(node.value, ast.Call) and _called(node.value) == "assert_never":
            return
        self._edit(node, "pass", "drop statement")
        self.visit(node.value)

    def visit_Assign(self, node: ast.Assign) -> None:
        at_module_level = not self._scope
        if at_module_level and isinstance(node.value, ast.BinOp | ast.Subscript | ast.List):
            return  # unions of types, and `__all__`
        if _called(node.value) == "NewType":
            return
        stores = all(isinstance(target, ast.Attribute | ast.Subscript) for target in node.targets)
        if stores and self._scope[-1:] != ["__init__"]:
            self._edit(node, "pass", "drop statement")
        self._visit_all([*node.targets, node.value])

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._visit_all([node.value])

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._edit(node, "pass", "drop statement")
        sign = _ARITHMETIC.get(type(node.op))
        if sign is not None:
            self._between(node.target, node.value, _SIGNS[type(node.op)], sign, "arithmetic")
        if isinstance(node.value, ast.Tuple):
            # `effects += (Persist(…), PeerFault(…))`: each of them alone.
            for index, item in enumerate(node.value.elts):
                rest = [self._text(other) for place, other in enumerate(node.value.elts) if place != index]
                self._edit(node.value, f"({', '.join(rest)},)", f"drop {_called(item) or 'item'}")
        self.visit(node.value)

    def visit_Delete(self, node: ast.Delete) -> None:
        self._edit(node, "pass", "drop statement")

    def visit_Raise(self, node: ast.Raise) -> None:
        self._edit(node, "pass", "drop raise")

    def visit_Continue(self, node: ast.Continue) -> None:
        self._edit(node, "pass", "drop continue")

    def visit_Break(self, node: ast.Break) -> None:
        self._edit(node, "pass", "drop break")

    def visit_Return(self, node: ast.Return) -> None:
        if node.value is None:
            self._edit(node, "pass", "drop return")
            return
        returns = self._returns[-1]
        is_none = isinstance(node.value, ast.Constant) and node.value.value is None
        if not is_none and returns is not None and "None" in ast.unparse(returns):
            self._edit(node.value, "None", "return None")
        self.visit(node.value)

    def visit_If(self, node: ast.If) -> None:
        self._condition(node.test)
        self._visit_all([node.test, *node.body, *node.orelse])

    def visit_While(self, node: ast.While) -> None:
        self._edit(node.test, "False", "condition")
        self._visit_all([node.test, *node.body])

    def visit_match_case(self, node: ast.match_case) -> None:
        if node.guard is not None:
            self._condition(node.guard)
        self.generic_visit(node)

    def visit_MatchOr(self, node: ast.MatchOr) -> None:
        for index, pattern in enumerate(node.patterns):
            rest = [self._text(other) for place, other in enumerate(node.patterns) if place != index]
            self._edit(node, " | ".join(rest), "drop alternative")
            self.visit(pattern)

    # Expressions

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self._condition(node.test)
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        for condition in node.ifs:
            self._edit(condition, "True", "condition")
        self._visit_all([node.iter, *node.ifs])

    def visit_Compare(self, node: ast.Compare) -> None:
        operands = [node.left, *node.comparators]
        for index, sign in enumerate(node.ops):
            for replacement in _COMPARISONS[type(sign)]:
                self._between(
                    operands[index], operands[index + 1], _SIGNS[type(sign)], replacement, "comparison"
                )
        self._visit_all(operands)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        sign, other = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        for left, right in zip(node.values, node.values[1:], strict=False):
            self._between(left, right, sign, other, "and/or")
        for index, value in enumerate(node.values):
            # In a conjunction a part that is `True` is a check left out; in a disjunction, `False`.
            self._edit(value, str(isinstance(node.op, ast.And)), "drop operand")
            self.visit(node.values[index])

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Not):
            self._edit(node, f"bool({self._text(node.operand)})", "drop not")
        elif isinstance(node.op, ast.USub):
            self._edit(node, f"({self._text(node.operand)})", "drop minus")
        self.visit(node.operand)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        sign = _ARITHMETIC.get(type(node.op))
        if sign is not None:
            self._between(node.left, node.right, _SIGNS[type(node.op)], sign, "arithmetic")
        self._visit_all([node.left, node.right])

    def visit_Call(self, node: ast.Call) -> None:
        name = _called(node)
        if name in _WORDING:
            return
        if isinstance(node.func, ast.Name) and name in _CALLS:
            if name in {"sorted", "abs"}:
                self._edit(node, f"{_CALLS[name]}({self._text(node.args[0])})", "call")
            else:
                self._edit(node.func, _CALLS[name], "call")
            if name in {"min", "max"} and len(node.args) > 1:
                for argument in node.args:
                    if not isinstance(argument, ast.Starred):
                        self._edit(node, f"({self._text(argument)})", "drop bound")
        if isinstance(node.func, ast.Attribute):
            self.visit(node.func.value)
        self._visit_all([*node.args, *node.keywords])

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if isinstance(node.slice, ast.Slice):
            self._edit(node, self._text(node.value), "drop slice")
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, bool):
            self._edit(node, str(not node.value), "constant")
        elif isinstance(node.value, int):
            self._edit(node, str(node.value + 1), "constant")
            self._edit(node, f"({node.value - 1})" if node.value == 0 else str(node.value - 1), "constant")

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        return

    def _condition(self, test: ast.expr) -> None:
        """A guard that always, or never, applies."""
        self._edit(test, "True", "condition")
        self._edit(test, "False", "condition")


_SIGNS: dict[type[ast.AST], str] = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
    ast.Is: "is", ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in",
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**",
    ast.BitAnd: "&", ast.BitOr: "|", ast.LShift: "<<", ast.RShift: ">>",
}  # fmt: skip


def _called(node: ast.AST) -> str:
    """Name of what a call calls, whatever it is looked up in."""
    if not isinstance(node, ast.Call):
        return ""
    return node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
