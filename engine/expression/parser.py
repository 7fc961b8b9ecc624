"""Pratt parser: operators bind by a number, and each token says what it means at the start and after an operand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from engine.expression import lexer, shape
from engine.expression.ancestry import inherit, underivable
from engine.expression.ast import (
    Array,
    Bind,
    Block,
    Call,
    Chain,
    Condition,
    Default,
    Descendants,
    Lambda,
    Link,
    Literal,
    Name,
    Negation,
    Node,
    Object,
    Opaque,
    Parent,
    Path,
    Placeholder,
    Range,
    Slot,
    SortTerm,
    Variable,
    Wildcard,
)
from engine.expression.errors import DISALLOWED_FUNCTION, SYNTAX, TOO_LARGE, Fault, lambda_refused
from engine.expression.lexer import Lexer, Token
from engine.expression.limits import NESTING

_BINDING: Final = {
    ".": 75,
    "[": 80,
    "{": 70,
    "(": 80,
    "@": 80,
    "#": 80,
    "?": 20,
    "+": 50,
    "-": 50,
    "*": 60,
    "/": 60,
    "%": 60,
    "=": 40,
    "==": 40,
    "<": 40,
    ">": 40,
    "^": 40,
    "!=": 40,
    "<=": 40,
    ">=": 40,
    "~>": 40,
    "?:": 40,
    "??": 40,
    ":=": 10,
    "and": 30,
    "or": 25,
    "in": 40,
    "&": 50,
}
"""How tightly an operator holds its left operand; JSONata's own numbers."""
_PREFIX_BINDING: Final = 70
_LINKS: Final = ("+", "-", "*", "/", "%", "=", "==", "!=", "<", "<=", ">", ">=", "&", "and", "or", "in", "~>")
_LAMBDA_WORDS: Final = ("function", "λ")


def parse(source: str) -> Node:
    """The syntax tree of ``source``. Raises ``Fault`` of kind syntax, too-large or disallowed-function."""
    return _Parser(source).whole()


class _Parser:
    __slots__ = ("_bound", "_depth", "_lambda_at", "_lexer", "_parents", "_token")

    def __init__(self, source: str) -> None:
        self._lexer = Lexer(source)
        self._token = self._lexer.next(after_operand=False)
        self._depth = 0
        self._bound = 0
        self._lambda_at: int | None = None
        self._parents: list[Parent] = []

    def whole(self) -> Node:
        node = self._expression(0)
        if self._token.kind != lexer.END:
            raise Fault(SYNTAX, f"{_shown(self._token)} is not expected here.", self._token.position)
        for parent in self._parents:
            # Found or not, what is still sought at the top stands where no step carries it along.
            if parent.slot.level != 0 or parent.slot in node.seeking:
                raise underivable(parent.position)
        return node

    def _advance(self, *, after_operand: bool = False) -> None:
        self._token = self._lexer.next(after_operand=after_operand)

    def _expect(self, kind: str, *, after_operand: bool = False) -> None:
        if self._token.kind != kind:
            raise _unexpected(self._token, kind)
        self._advance(after_operand=after_operand)

    def _accept(self, kind: str) -> bool:
        if self._token.kind != kind:
            return False
        self._advance()
        return True

    def _expression(self, binding: int, *, after_dot: bool = False) -> Node:
        token = self._token
        self._depth += 1
        if self._depth > NESTING:
            raise Fault(TOO_LARGE, f"The expression is nested more than {NESTING} levels deep.", token.position)
        start = _STARTS.get(token.kind)
        if start is None:
            raise _unexpected(token, "a value")
        self._advance(after_operand=True)
        left = start(self, token)
        if after_dot and isinstance(left, Path) and isinstance(left.steps[0], Name):
            left.steps[0].plain = False
        while binding < _BINDING.get(self._token.kind, 0):
            token = self._token
            self._advance()
            left = _CONTINUATIONS[token.kind](self, left, token)
        self._depth -= 1
        return left

    # --- at the start of an expression ---

    def _literal(self, token: Token) -> Node:
        return Literal(position=token.position, value=token.value)

    def _name(self, token: Token) -> Node:
        return Path(
            position=token.position, steps=[Name(position=token.position, value=token.value, plain=not token.quoted)]
        )

    def _variable(self, token: Token) -> Node:
        return Variable(position=token.position, name=token.value)

    def _wildcard(self, token: Token) -> Node:
        return Wildcard(position=token.position)

    def _descendants(self, token: Token) -> Node:
        return Descendants(position=token.position)

    def _parent(self, token: Token) -> Node:
        parent = Parent(position=token.position, slot=Slot(f"%{len(self._parents)}"))
        self._parents.append(parent)
        return parent

    def _regex(self, token: Token) -> Node:
        return Opaque(position=token.position, kind="regular expression")

    def _negation(self, token: Token) -> Node:
        operand = self._expression(_PREFIX_BINDING)
        if (
            isinstance(operand, Literal)
            and isinstance(operand.value, int | float)
            and not isinstance(operand.value, bool)
        ):
            operand.value, operand.position = -operand.value, token.position
            return operand
        node = Negation(position=token.position, operand=operand)
        inherit(node, operand)
        return node

    def _block(self, token: Token) -> Node:
        node = Block(position=token.position, items=[])
        bound = self._bound
        while self._token.kind != ")":
            item = self._expression(0)
            inherit(node, item)
            node.items.append(item)
            if not self._accept(";"):
                break
        self._expect(")", after_operand=True)
        node.binds = self._bound > bound
        node.constructed = shape.constructs(node)
        return node

    def _array(self, token: Token) -> Node:
        node = Array(position=token.position, items=[])
        if self._token.kind != "]":
            while True:
                item = self._expression(0)
                if self._token.kind == "..":
                    position = self._token.position
                    self._advance()
                    first, last = item, self._expression(0)
                    item = Range(position=position, first=first, last=last)
                    inherit(item, first)
                    inherit(item, last)
                inherit(node, item)
                node.items.append(item)
                if not self._accept(","):
                    break
        self._expect("]", after_operand=True)
        return node

    def _pairs(self) -> list[tuple[Node, Node]]:
        pairs: list[tuple[Node, Node]] = []
        if self._token.kind != "}":
            while True:
                key = self._expression(0)
                self._expect(":")
                pairs.append((key, self._expression(0)))
                if not self._accept(","):
                    break
        self._expect("}", after_operand=True)
        return pairs

    def _object(self, token: Token) -> Node:
        node = Object(position=token.position, pairs=self._pairs())
        for key, value in node.pairs:
            inherit(node, key)
            inherit(node, value)
        return node

    def _transform(self, token: Token) -> Node:
        parts = [self._expression(0)]
        self._expect("|")
        parts.append(self._expression(0))
        if self._accept(","):
            parts.append(self._expression(0))
        self._expect("|", after_operand=True)
        return Opaque(position=token.position, kind="transform", parts=parts)

    # --- after an operand ---

    def _dot(self, left: Node, token: Token) -> Node:
        return shape.join(left, self._expression(_BINDING["."], after_dot=True))

    def _link(self, left: Node, token: Token) -> Node:
        operator = "=" if token.kind == "==" else token.kind
        operand = self._expression(_BINDING[token.kind])
        if isinstance(left, Chain):
            chain = left
        else:
            chain = Chain(position=left.position, first=left, links=[])
            inherit(chain, left)
        chain.links.append(Link(operator, operand, token.position))
        inherit(chain, operand)
        return chain

    def _condition(self, left: Node, token: Token) -> Node:
        then = self._expression(0)
        otherwise = self._expression(0) if self._accept(":") else None
        node = Condition(position=token.position, test=left, then=then, otherwise=otherwise)
        for part in node.operands():
            inherit(node, part)
        return node

    def _default(self, left: Node, token: Token) -> Node:
        node = Default(position=token.position, value=left, otherwise=self._expression(0))
        for part in node.operands():
            inherit(node, part)
        return node

    def _coalescing(self, left: Node, token: Token) -> Node:
        raise Fault(
            DISALLOWED_FUNCTION,
            "The operator ?? calls exists(), which is a disallowed function; write coalesce(a, b).",
            token.position,
            "exists",
        )

    def _bind(self, left: Node, token: Token) -> Node:
        if not isinstance(left, Variable) or left.predicates or left.group:
            raise Fault(SYNTAX, "Only a variable, such as $name, can stand before :=.", left.position)
        self._bound += 1
        node = Bind(position=token.position, name=left.name, value=self._expression(_BINDING[":="] - 1))
        inherit(node, node.value)
        return node

    def _variable_after(self, token: Token) -> str:
        operand = self._expression(_BINDING[token.kind])
        if not isinstance(operand, Variable):
            raise Fault(SYNTAX, f"A variable, such as $name, is expected after {token.kind}.", operand.position)
        return operand.name

    def _focus(self, left: Node, token: Token) -> Node:
        return shape.bind_focus(left, self._variable_after(token), token.position)

    def _index(self, left: Node, token: Token) -> Node:
        return shape.bind_index(left, self._variable_after(token))

    def _filter(self, left: Node, token: Token) -> Node:
        if self._token.kind == "]":
            self._advance(after_operand=True)
            return shape.keep_array(left)
        predicate = self._expression(0)
        self._expect("]", after_operand=True)
        return shape.add_filter(left, predicate, token.position)

    def _group(self, left: Node, token: Token) -> Node:
        return shape.add_group(left, self._pairs(), token.position)

    def _sort(self, left: Node, token: Token) -> Node:
        self._expect("(")
        terms: list[SortTerm] = []
        while True:
            descending = self._token.kind == ">"
            if descending or self._token.kind == "<":
                self._advance()
            terms.append(SortTerm(self._expression(0), descending))
            if not self._accept(","):
                break
        self._expect(")", after_operand=True)
        return shape.add_sort(left, terms, token.position)

    def _call(self, left: Node, token: Token) -> Node:
        arguments: list[Node] = []
        if self._token.kind != ")":
            while True:
                if self._token.kind == "?":
                    arguments.append(Placeholder(position=self._token.position))
                    self._advance(after_operand=True)
                else:
                    arguments.append(self._expression(0))
                if not self._accept(","):
                    break
        self._expect(")", after_operand=True)
        name = left.bare_name if isinstance(left, Path) else None
        if name is not None and name.value in _LAMBDA_WORDS:
            return self._lambda(left, arguments)
        if name is None and not _is_plain_variable(left):
            raise self._uncallable(left)
        node = Call(position=left.position, callee=left, arguments=arguments)
        for argument in arguments:
            inherit(node, argument)
        return node

    def _uncallable(self, callee: Node) -> Fault:
        # Refused here and not by the check after, so that calls of calls cannot nest without limit.
        if self._lambda_at is not None:
            return lambda_refused(self._lambda_at)
        message = "Only a function's name can be called; what is computed here may be a disallowed function."
        return Fault(DISALLOWED_FUNCTION, message, callee.position)

    def _lambda(self, word: Node, parameters: list[Node]) -> Node:
        for parameter in parameters:
            if not isinstance(parameter, Variable):
                raise Fault(SYNTAX, "A parameter of a function must be a variable.", parameter.position)
        if self._accept("<"):
            self._skip_signature()
        self._expect("{")
        self._expression(0)
        self._expect("}", after_operand=True)
        if self._lambda_at is None:
            self._lambda_at = word.position
        return Lambda(position=word.position)

    def _skip_signature(self) -> None:
        depth = 1
        while depth and self._token.kind not in ("{", lexer.END):
            depth += (self._token.kind == "<") - (self._token.kind == ">")
            self._advance()


def _is_plain_variable(node: Node) -> bool:
    return isinstance(node, Variable) and not node.predicates and node.group is None


def _unexpected(token: Token, wanted: str) -> Fault:
    if token.kind == lexer.END:
        return Fault(SYNTAX, f"The expression ends where {wanted} is expected.", token.position)
    return Fault(SYNTAX, f"{wanted[0].upper()}{wanted[1:]} is expected here, not {_shown(token)}.", token.position)


def _shown(token: Token) -> str:
    if token.kind == lexer.STRING:
        return "A text"
    if token.kind == lexer.REGEX:
        return "A regular expression"
    return f"${token.value}" if token.kind == lexer.VARIABLE else str(token.value)


_STARTS: Final[dict[str, Callable[[_Parser, Token], Node]]] = {
    lexer.STRING: _Parser._literal,
    lexer.NUMBER: _Parser._literal,
    lexer.VALUE: _Parser._literal,
    lexer.NAME: _Parser._name,
    "and": _Parser._name,
    "or": _Parser._name,
    "in": _Parser._name,
    lexer.VARIABLE: _Parser._variable,
    lexer.REGEX: _Parser._regex,
    "*": _Parser._wildcard,
    "**": _Parser._descendants,
    "%": _Parser._parent,
    "-": _Parser._negation,
    "(": _Parser._block,
    "[": _Parser._array,
    "{": _Parser._object,
    "|": _Parser._transform,
}
_CONTINUATIONS: Final[dict[str, Callable[[_Parser, Node, Token], Node]]] = {
    ".": _Parser._dot,
    "[": _Parser._filter,
    "{": _Parser._group,
    "(": _Parser._call,
    "@": _Parser._focus,
    "#": _Parser._index,
    "^": _Parser._sort,
    "?": _Parser._condition,
    "?:": _Parser._default,
    "??": _Parser._coalescing,
    ":=": _Parser._bind,
    **dict.fromkeys(_LINKS, _Parser._link),
}
