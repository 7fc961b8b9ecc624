"""The expression language: lexer, parser and closure compiler. Pure and deterministic.

    expression = compile_expression("payload.items[price > 10].name")
    names = expression.evaluate({"payload": payload}, lambda: "2026-01-01T00:00:00.000Z")

docs/expressions.md describes the language for its authors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from engine.expression.ast import Node
from engine.expression.check import check
from engine.expression.compile import Compiler
from engine.expression.errors import SOURCE_BYTES, STEPS, TOO_LARGE, ExpressionFailure, Fault, Kind, Stage
from engine.expression.functions import FUNCTIONS
from engine.expression.grammar import parse
from engine.expression.reads import context_paths, simple_path
from engine.expression.result import plain
from engine.expression.selection import Reads, selects
from engine.expression.values import Frame, Root, Run

__all__ = ["FUNCTION_NAMES", "Expression", "ExpressionFailure", "Kind", "Reads", "Stage", "compile_expression"]

Json = Any
FUNCTION_NAMES: Final = tuple(FUNCTIONS)
"""The functions an expression may call."""


class Expression:
    """A compiled expression. Holds no state between evaluations, so any number of runs and threads can share one."""

    __slots__ = ("_code", "_tree", "_weight", "source")

    def __init__(self, source: str, tree: Node) -> None:
        compiler = Compiler()
        self.source: Final = source
        self._tree: Final = tree
        self._code: Final = compiler.code(tree)
        self._weight: Final = compiler.weight

    def evaluate(
        self,
        context: Mapping[str, Json],
        now_iso: Callable[[], str],
        spent: Callable[[int], None] | None = None,
        *,
        rounds: bool = False,
    ) -> Json:
        """The value of the expression: plain JSON, which may share parts with ``context``, so change neither.

        ``context`` is read by key, never copied; ``now_iso`` gives the time as ISO-8601 text when ``nowIso()`` is called;
        ``spent`` is told how many steps were used, by an evaluation that fails too; ``rounds``: arithmetic on integers beyond
        2^53 gives the nearest double, as it did in earlier semantics, instead of failing.
        Raises ExpressionFailure of stage evaluate; a missing result is one of kind no-json-result.
        """
        run = Run(now_iso, rounds=rounds)
        root = context if isinstance(context, dict) else Root(context)
        try:
            run.spend(self._weight, 0)
            return plain(self._code(root, Frame({"$": root}, None, run)))
        except Fault as fault:
            raise fault.at_stage("evaluate", self.source) from None
        finally:
            if spent is not None:
                spent(STEPS - run.left)

    @property
    def context_paths(self) -> tuple[tuple[str, ...], ...]:
        """The fields of the context it reads, each as the names from the top; for checks at publish."""
        return context_paths(self._tree)

    def selects(self, maps: Callable[[Reads], bool]) -> bool:
        """Whether what it finds may be none, one or many, so that one alone is no array.

        ``maps`` says of a path of names and indexes whether it takes a field of each item of an array.
        """
        return selects(self._tree, maps)

    @property
    def simple_path(self) -> tuple[str, ...] | None:
        """The names of the path, when the whole expression is nothing else."""
        return simple_path(self._tree)


def compile_expression(source: str) -> Expression:
    """Parse, check and compile ``source``. Raises ExpressionFailure of stage compile."""
    try:
        if len(source) > SOURCE_BYTES or len(source.encode("utf-8", "surrogatepass")) > SOURCE_BYTES:
            raise Fault(TOO_LARGE, f"The expression has more than {SOURCE_BYTES} bytes.", 0)
        tree = parse(source)
        check(tree)
    except Fault as fault:
        raise fault.at_stage("compile", source) from None
    return Expression(source, tree)
