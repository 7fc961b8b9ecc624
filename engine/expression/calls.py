"""Calls of the five functions, written with brackets or applied with ``~>``."""

from __future__ import annotations

from collections.abc import Callable

from engine.expression import ast
from engine.expression.check import called_name, function_name
from engine.expression.errors import NOT_A_FUNCTION, Fault
from engine.expression.functions import FUNCTIONS, Function
from engine.expression.values import MISSING, Code, Frame, FunctionValue, Value, settled

Compile = Callable[[ast.Node], Code]
Joint = Callable[[Value, Value, Frame], Value]
"""What a chain does next: value so far, current value, frame to the new value."""


def compile_call(node: ast.Call, compile_node: Compile) -> Code:
    """``function(argument, ...)``; with a ``?`` among the arguments, a function value."""
    function = _function(node.callee)
    if function is None:
        return lambda _current, _frame: _not_callable(node)
    if node.partial:
        value = FunctionValue("partial application")
        return lambda _current, _frame: value
    codes, position = [compile_node(argument) for argument in node.arguments], node.position

    def run(current: Value, frame: Frame) -> Value:
        arguments = []
        for code in codes:
            arguments.append(code(current, frame))
        return function(arguments, frame.run, position)

    return run


def compile_application(link: ast.Link, keep_array: bool, compile_node: Compile) -> Joint:
    """``value ~> function`` and ``value ~> function(more)``; the value goes first, or where the first ``?`` is."""
    operand, position = link.operand, link.position
    arguments: list[ast.Node] = [ast.Placeholder(position=position)]
    callee = operand
    if isinstance(operand, ast.Call):
        callee = operand.callee
        arguments = operand.arguments if operand.partial else [*arguments, *operand.arguments]
    function = _function(callee)
    if function is None:
        return lambda _value, _current, _frame: _not_callable(operand)
    codes = [None if isinstance(argument, ast.Placeholder) else compile_node(argument) for argument in arguments]
    composes = not isinstance(operand, ast.Call)

    def apply(value: Value, current: Value, frame: Frame) -> Value:
        if composes and isinstance(value, FunctionValue):
            return FunctionValue("composition")
        given, values = value, []
        for code in codes:
            if code is None:
                values.append(given)
                given = MISSING
            else:
                values.append(code(current, frame))
        return settled(function(values, frame.run, position), keep_array)

    return apply


def _function(callee: ast.Node) -> Function | None:
    """The function of a callee that was checked; None for a name after a dot, which is a field and no function."""
    name = called_name(callee)
    if name is None or (isinstance(name, ast.Name) and not name.plain):
        return None
    return FUNCTIONS[function_name(name)]


def _not_callable(node: ast.Node) -> Value:
    name = called_name(node.callee if isinstance(node, ast.Call) else node)
    text = "" if name is None else function_name(name)
    message = f"{text} is a field here, not a function; write ${text} to call the function."
    raise Fault(NOT_A_FUNCTION, message, node.position, text)
