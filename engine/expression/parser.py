"""Pratt parser: operators bind by a number, and each token says what it means at the start and after an operand."""

from __future__ import annotations

from engine.expression import lexer
from engine.expression.ancestry import underivable
from engine.expression.ast import Name, Node, Parent, Path
from engine.expression.errors import SYNTAX, TOO_LARGE, Fault
from engine.expression.grammar import BINDING, CONTINUATIONS, STARTS, shown, unexpected
from engine.expression.lexer import Lexer
from engine.expression.limits import NESTING


def parse(source: str) -> Node:
    """The syntax tree of ``source``. Raises ``Fault`` of kind syntax, too-large or disallowed-function."""
    return Parser(source).whole()


class Parser:
    """The reading of one source. The grammar's functions take it, and read on with it."""

    __slots__ = ("_depth", "_lexer", "bound", "lambda_at", "parents", "token")

    def __init__(self, source: str) -> None:
        self._lexer = Lexer(source)
        self._depth = 0
        self.token = self._lexer.next(after_operand=False)
        """The token to be read next."""
        self.bound = 0
        """How many variables were bound so far."""
        self.lambda_at: int | None = None
        """Where the first function was defined."""
        self.parents: list[Parent] = []
        """Every ``%`` so far."""

    def whole(self) -> Node:
        """The tree of all of it."""
        node = self.expression(0)
        if self.token.kind != lexer.END:
            raise Fault(SYNTAX, f"{shown(self.token)} is not expected here.", self.token.position)
        for parent in self.parents:
            # Found or not, what is still sought at the top stands where no step carries it along.
            if parent.slot.level != 0 or parent.slot in node.seeking:
                raise underivable(parent.position)
        return node

    def advance(self, *, after_operand: bool = False) -> None:
        """Go on to the next token; ``after_operand`` as the lexer wants it."""
        self.token = self._lexer.next(after_operand=after_operand)

    def expect(self, kind: str, *, after_operand: bool = False) -> None:
        """Go on past a token that must be here."""
        if self.token.kind != kind:
            raise unexpected(self.token, kind)
        self.advance(after_operand=after_operand)

    def accept(self, kind: str) -> bool:
        """Go on past a token if it is here."""
        if self.token.kind != kind:
            return False
        self.advance()
        return True

    def expression(self, binding: int, *, after_dot: bool = False) -> Node:
        """One operand, with all operators after it that hold tighter than ``binding``."""
        token = self.token
        self._depth += 1
        if self._depth > NESTING:
            raise Fault(TOO_LARGE, f"The expression is nested more than {NESTING} levels deep.", token.position)
        start = STARTS.get(token.kind)
        if start is None:
            raise unexpected(token, "a value")
        self.advance(after_operand=True)
        left = start(self, token)
        if after_dot and isinstance(left, Path) and isinstance(left.steps[0], Name):
            left.steps[0].plain = False
        while binding < BINDING.get(self.token.kind, 0):
            token = self.token
            self.advance()
            left = CONTINUATIONS[token.kind](self, left, token)
        self._depth -= 1
        return left
