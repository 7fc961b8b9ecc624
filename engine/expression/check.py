"""What can be said of a tree before it runs: only listed functions are called, and nothing defines or renames a function."""

from __future__ import annotations

from engine.expression.ast import Bind, Call, Chain, IndexStage, Lambda, Name, Node, Opaque, Path, Variable
from engine.expression.errors import DISALLOWED_FUNCTION, UNVERIFIABLE_APPLY, Fault, Kind, lambda_refused
from engine.expression.functions import FUNCTIONS

_ALLOWED = ", ".join(FUNCTIONS)


def check(node: Node) -> None:
    """Raises ``Fault`` of kind lambda, disallowed-function or unverifiable-apply for the first offence found."""
    if isinstance(node, Lambda):
        raise lambda_refused(node.position)
    for child in node.children():
        check(child)
    _check_bindings(node)
    if isinstance(node, Call):
        _check_callee(node)
    elif isinstance(node, Chain):
        for link in node.links:
            if link.operator == "~>":
                _check_applied(link.operand)


def called_name(callee: Node) -> Name | Variable | None:
    """The plain name before the bracket of a call, None when something else stands there."""
    if isinstance(callee, Path):
        return callee.bare_name
    if isinstance(callee, Variable) and not callee.predicates and callee.group is None:
        return callee
    return None


def function_name(name: Name | Variable) -> str:
    """The name without its ``$``."""
    return name.value if isinstance(name, Name) else name.name


def _check_callee(call: Call) -> None:
    name = called_name(call.callee)
    if name is not None:
        _check_name(function_name(name), name.position)


def _check_applied(operand: Node) -> None:
    """The right side of ``~>``: a call, checked like any other, or the name of a function."""
    if isinstance(operand, Path | Variable) and (name := called_name(operand)) is not None:
        _check_name(function_name(name), name.position)
    elif isinstance(operand, Opaque):
        raise _unverifiable(f"A {operand.kind} cannot be applied with ~>.", operand)
    elif not isinstance(operand, Call):
        raise _unverifiable("The right side of ~> must be the name or the call of a function.", operand)
    elif operand.predicates or operand.group is not None:
        raise _unverifiable(
            "What follows the call after ~> would be ignored; put the whole in brackets first.", operand
        )


def _unverifiable(message: str, node: Node) -> Fault:
    return Fault(UNVERIFIABLE_APPLY, message, node.position)


def _check_bindings(node: Node) -> None:
    names = [node.focus, node.index, *(stage.name for stage in node.stages if isinstance(stage, IndexStage))]
    if isinstance(node, Bind):
        names.append(node.name)
    for name in names:
        if name in FUNCTIONS:
            raise _refused(
                DISALLOWED_FUNCTION, f"${name} is a function; its name cannot be bound again", name, node.position
            )


def _check_name(name: str, position: int) -> None:
    if name not in FUNCTIONS:
        raise _refused(DISALLOWED_FUNCTION, f"{name}() is a disallowed function", name, position)


def _refused(kind: Kind, fault: str, name: str, position: int) -> Fault:
    return Fault(kind, f"{fault}; only {_ALLOWED} can be called.", position, name)
