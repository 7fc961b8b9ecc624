"""Chains of binary operators, run from the left in one loop, so that a long chain costs no stack."""

from __future__ import annotations

from engine.expression import ast
from engine.expression.calls import Compile, Joint, compile_application
from engine.expression.operators import OPERATORS, truthy
from engine.expression.text import TextBuilder, add_operand
from engine.expression.values import Code, Frame, Value


def compile_chain(node: ast.Chain, compile_node: Compile) -> Code:
    """``first op operand op operand ...``; a run of ``&`` builds its text at once."""
    first = compile_node(node.first)
    joints: list[Joint] = []
    links = iter(node.links)
    link = next(links, None)
    keep_array = node.first.keep_array
    while link is not None:
        if link.operator == "&":
            operands: list[Code] = []
            position = link.position
            while link is not None and link.operator == "&":
                operands.append(compile_node(link.operand))
                link = next(links, None)
            joints.append(_concatenation(operands, position))
            keep_array = False
            continue
        keep_array = link.operator == "~>" and (keep_array or link.operand.keep_array)
        joints.append(_joint(link, keep_array, compile_node))
        link = next(links, None)
    if len(joints) == 1:
        joint = joints[0]
        return lambda current, frame: joint(first(current, frame), current, frame)

    def run(current: Value, frame: Frame) -> Value:
        value = first(current, frame)
        for joint in joints:
            value = joint(value, current, frame)
        return value

    return run


def _joint(link: ast.Link, keep_array: bool, compile_node: Compile) -> Joint:
    position = link.position
    if link.operator == "~>":
        return compile_application(link, keep_array, compile_node)
    operand = compile_node(link.operand)
    if link.operator == "and":
        return lambda value, current, frame: (
            truthy(value, frame.run, position) and truthy(operand(current, frame), frame.run, position)
        )
    if link.operator == "or":
        return lambda value, current, frame: (
            truthy(value, frame.run, position) or truthy(operand(current, frame), frame.run, position)
        )
    operate = OPERATORS[link.operator]
    return lambda value, current, frame: operate(value, operand(current, frame), frame.run, position)


def _concatenation(operands: list[Code], position: int) -> Joint:
    def join(value: Value, current: Value, frame: Frame) -> str:
        run = frame.run
        builder = TextBuilder(run, position)
        add_operand(value, builder, run, position)
        for operand in operands:
            add_operand(operand(current, frame), builder, run, position)
        return builder.text()

    return join
