"""From tree to closures. Every closure takes the current value and the frame, and gives a value that is settled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from engine.expression import ast, fields, filters, grouping, paths, tuples
from engine.expression.calls import compile_call
from engine.expression.chains import compile_chain
from engine.expression.functions import FUNCTION_VALUES
from engine.expression.operators import integers, negated, truthy
from engine.expression.reads import literal_index, plain_reads, read, read_indexed
from engine.expression.values import (
    MISSING,
    Code,
    Constructed,
    Frame,
    FunctionValue,
    Value,
    settled,
)


class Compiler:
    """Compiles one tree. ``weight`` counts the nodes compiled, which is what one evaluation of them costs in steps."""

    def __init__(self) -> None:
        self.weight = 0

    def code(self, node: ast.Node) -> Code:
        """The closure of ``node``, with its filters and grouping."""
        self.weight += 1
        code = _COMPILERS[type(node)](self, node)
        if node.predicates:
            code = _filtered(code, tuple(self._filter(stage) for stage in node.predicates))
        if node.group is not None and not isinstance(node, ast.Path):
            code = _grouped(code, self._pairs(node.group.pairs, node.group.position))
        if node.predicates or node.keep_array:
            code = _settled(code, node.keep_array)
        return code

    # --- leaves ---

    def literal(self, node: ast.Literal) -> Code:
        """A constant."""
        value = node.value
        return lambda _current, _frame: value

    def name(self, node: ast.Name) -> Code:
        """A field of the current value."""
        name, position = node.value, node.position
        return lambda current, frame: fields.lookup(current, name, frame.run, position)

    def variable(self, node: ast.Variable) -> Code:
        """The current value, the context, or what was bound."""
        name = node.name
        if not name:
            return lambda current, _frame: current
        default = FUNCTION_VALUES.get(name, MISSING)
        return lambda _current, frame: frame.lookup(name, default)

    def wildcard(self, node: ast.Wildcard) -> Code:
        """All fields of the current value."""
        position = node.position
        return lambda current, frame: fields.wildcard(current, frame.run, position)

    def descendants(self, node: ast.Descendants) -> Code:
        """Everything at and below the current value."""
        position = node.position
        return lambda current, frame: fields.descendants(current, frame.run, position)

    def parent(self, node: ast.Parent) -> Code:
        """The input of an earlier step, which carried it along."""
        label = node.slot.label
        return lambda _current, frame: frame.lookup(label, MISSING)

    def opaque(self, node: ast.Opaque) -> Code:
        """A regex or a transform."""
        value = FunctionValue(node.kind)
        return lambda _current, _frame: value

    # --- operators ---

    def negation(self, node: ast.Negation) -> Code:
        """Unary minus."""
        operand, position = self.code(node.operand), node.position
        return lambda current, frame: negated(operand(current, frame), position)

    def range(self, node: ast.Range) -> Code:
        """First to last, in an array."""
        first, last, position = self.code(node.first), self.code(node.last), node.position
        return lambda current, frame: settled(
            integers(first(current, frame), last(current, frame), frame.run, position)
        )

    def chain(self, node: ast.Chain) -> Code:
        """Binary operators, from the left."""
        return compile_chain(node, self.code)

    def condition(self, node: ast.Condition) -> Code:
        """One of two branches, or nothing."""
        test, then, position = self.code(node.test), self.code(node.then), node.position
        if node.otherwise is None:
            return lambda current, frame: (
                then(current, frame) if truthy(test(current, frame), frame.run, position) else MISSING
            )
        otherwise = self.code(node.otherwise)
        return lambda current, frame: (
            then(current, frame) if truthy(test(current, frame), frame.run, position) else otherwise(current, frame)
        )

    def default(self, node: ast.Default) -> Code:
        """The value when it is true, otherwise the other."""
        value, otherwise, position = self.code(node.value), self.code(node.otherwise), node.position

        def run(current: Value, frame: Frame) -> Value:
            found = value(current, frame)
            return found if truthy(found, frame.run, position) else otherwise(current, frame)

        return run

    # --- constructors ---

    def array(self, node: ast.Array) -> Code:
        """An array; sequences and arrays among its items flatten by one level, except those written as arrays."""
        items = tuple((self.code(item), isinstance(item, ast.Array)) for item in node.items)
        position, make = node.position, Constructed if node.constructed else list

        def run(current: Value, frame: Frame) -> Value:
            result: list[Value] = make()
            for code, nested in items:
                value = code(current, frame)
                if value is MISSING:
                    continue
                if isinstance(value, list) and not nested:
                    frame.run.spend(len(value), position)
                    result.extend(value)
                else:
                    result.append(value)
            return result

        return run

    def object(self, node: ast.Object) -> Code:
        """An object; on an array, one object grouped from all its items."""
        pairs = self._pairs(node.pairs, node.position)
        names = [key.value for key, _ in node.pairs if isinstance(key, ast.Literal) and isinstance(key.value, str)]
        grouped: Code = lambda current, frame: grouping.group(pairs, current, frame)  # noqa: E731 - a closure like the others
        if len(set(names)) < len(node.pairs) or any(key.predicates for key, _ in node.pairs):
            return grouped
        members = tuple((name, code) for name, (_, code) in zip(names, pairs.pairs, strict=True))

        def run(current: Value, frame: Frame) -> Value:
            if isinstance(current, list):
                return grouped(current, frame)
            result = {}
            for name, code in members:
                value = code(current, frame)
                if value is not MISSING:
                    result[name] = value
            return result

        return run

    def _pairs(self, pairs: list[tuple[ast.Node, ast.Node]], position: int) -> grouping.Pairs:
        before = self.weight
        codes = tuple((self.code(key), self.code(value)) for key, value in pairs)
        return grouping.Pairs(codes, self.weight - before, position)

    # --- names, blocks and calls ---

    def bind(self, node: ast.Bind) -> Code:
        """Binds a variable in the frame around it, and is its value."""
        name, value = node.name, self.code(node.value)

        def run(current: Value, frame: Frame) -> Value:
            frame.names[name] = found = value(current, frame)
            return found

        return run

    def block(self, node: ast.Block) -> Code:
        """One after the other, in a frame of its own; the value of the last."""
        codes = [self.code(item) for item in node.items]
        if not codes:
            return lambda _current, _frame: MISSING
        *before, last = codes
        if not before and not node.binds:
            return last

        def run(current: Value, frame: Frame) -> Value:
            inner = Frame({}, frame, frame.run)
            for code in before:
                code(current, inner)
            return last(current, inner)

        return run

    def call(self, node: ast.Call) -> Code:
        """One of the five functions."""
        return compile_call(node, self.code)

    # --- paths ---

    def path(self, node: ast.Path) -> Code:
        """A path. Fields of plain objects, the usual case, never leave one small loop, and nothing else is compiled."""
        reads = plain_reads(node)
        if reads is None:
            return self.general_path(node)
        self.weight += len(reads)
        general = _Deferred(node)
        if all(index is None for _, index in reads):
            return read(tuple(name for name, _ in reads), general)
        return read_indexed(reads, general)

    def general_path(self, node: ast.Path) -> Code:
        """A path of any kind, step by step."""
        # Loops, not comprehensions, wherever compilation goes down: each would be a stack frame more a level.
        compiled = []
        for step in node.steps:
            compiled.append(self._step(step))
        plan = paths.PathPlan(
            steps=tuple(compiled),
            absolute=isinstance(node.steps[0], ast.Variable),
            constructed=isinstance(node.steps[0], ast.Array | ast.Block) and node.steps[0].constructed,
            keep_singleton=node.keep_singleton,
            pairs=None if node.group is None else self._pairs(node.group.pairs, node.group.position),
            as_tuples=node.tuples,
        )
        keep_array = node.keep_array
        return lambda current, frame: settled(paths.run_path(plan, current, frame), keep_array)

    def _step(self, node: ast.Node) -> tuples.Step | tuples.SortStep:
        before = self.weight
        if isinstance(node, ast.Sort):
            terms = tuple((self.code(term.expression), term.descending) for term in node.terms)
            order = grouping.Order(terms, max(1, self.weight - before), node.position)
            return tuples.SortStep(order, self._stages(node), node.tuples, node.focus, node.index)
        code = self.code(node)
        weight = self.weight - before
        ancestor = None if node.ancestor is None else node.ancestor.label
        return tuples.Step(
            code, self._stages(node), weight, node.position, node.tuples, node.focus, node.index, ancestor
        )

    def _stages(self, node: ast.Node) -> tuple[filters.Stage, ...]:
        stages: list[filters.Stage] = []
        for stage in node.stages:
            stages.append(self._filter(stage) if isinstance(stage, ast.Filter) else filters.NumberStage(stage.name))
        return tuple(stages)

    def _filter(self, stage: ast.Filter) -> filters.FilterStage:
        before = self.weight
        code = self.code(stage.predicate)
        return filters.FilterStage(code, self.weight - before, stage.position, literal_index(stage.predicate))


class _Deferred:
    """A path compiled in full at its first use: most paths never meet an array on their way."""

    __slots__ = ("_code", "_node")

    def __init__(self, node: ast.Path) -> None:
        self._node = node
        self._code: Code | None = None

    def __call__(self, current: Value, frame: Frame) -> Value:
        if self._code is None:
            self._code = Compiler().general_path(self._node)
        return self._code(current, frame)


def _filtered(code: Code, stages: tuple[filters.FilterStage, ...]) -> Code:
    def run(current: Value, frame: Frame) -> Value:
        value = code(current, frame)
        for stage in stages:
            value = filters.apply_stage(stage, value, frame)
        return value

    return run


def _grouped(code: Code, pairs: grouping.Pairs) -> Code:
    return lambda current, frame: grouping.group(pairs, code(current, frame), frame)


def _settled(code: Code, keep_array: bool) -> Code:
    return lambda current, frame: settled(code(current, frame), keep_array)


_COMPILERS: Final[dict[type[ast.Node], Callable[[Compiler, Any], Code]]] = {
    ast.Literal: Compiler.literal,
    ast.Name: Compiler.name,
    ast.Variable: Compiler.variable,
    ast.Wildcard: Compiler.wildcard,
    ast.Descendants: Compiler.descendants,
    ast.Parent: Compiler.parent,
    ast.Opaque: Compiler.opaque,
    ast.Negation: Compiler.negation,
    ast.Range: Compiler.range,
    ast.Chain: Compiler.chain,
    ast.Condition: Compiler.condition,
    ast.Default: Compiler.default,
    ast.Array: Compiler.array,
    ast.Object: Compiler.object,
    ast.Bind: Compiler.bind,
    ast.Block: Compiler.block,
    ast.Call: Compiler.call,
    ast.Path: Compiler.path,
}
