"""Pratt parser: a binding power for each operator, a prefix and an infix rule for each token."""

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
from engine.expression.errors import DISALLOWED_FUNCTION, NESTING, SYNTAX, TOO_LARGE, Fault, lambda_refused
from engine.expression.lexer import Lexer, Token

BINDING: Final = {
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


# --- at the start of an expression ---


def parse(source: str) -> Node:
    """The syntax tree of ``source``. Raises ``Fault`` of kind syntax, too-large or disallowed-function."""
    return Parser(source).whole()


class Parser:
    """Parses one source. The grammar's functions take it, and go on with it."""

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


def _literal(parser: Parser, token: Token) -> Node:
    return Literal(position=token.position, value=token.value)


def _name(parser: Parser, token: Token) -> Node:
    return Path(
        position=token.position, steps=[Name(position=token.position, value=token.value, plain=not token.quoted)]
    )


def _variable(parser: Parser, token: Token) -> Node:
    return Variable(position=token.position, name=token.value)


def _wildcard(parser: Parser, token: Token) -> Node:
    return Wildcard(position=token.position)


def _descendants(parser: Parser, token: Token) -> Node:
    return Descendants(position=token.position)


def _parent(parser: Parser, token: Token) -> Node:
    parent = Parent(position=token.position, slot=Slot(f"%{len(parser.parents)}"))
    parser.parents.append(parent)
    return parent


def _regex(parser: Parser, token: Token) -> Node:
    return Opaque(position=token.position, kind="regular expression")


def _negation(parser: Parser, token: Token) -> Node:
    operand = parser.expression(_PREFIX_BINDING)
    if isinstance(operand, Literal) and isinstance(operand.value, int | float) and not isinstance(operand.value, bool):
        operand.value, operand.position = -operand.value, token.position
        return operand
    node = Negation(position=token.position, operand=operand)
    inherit(node, operand)
    return node


def _block(parser: Parser, token: Token) -> Node:
    node = Block(position=token.position, items=[])
    bound = parser.bound
    while parser.token.kind != ")":
        item = parser.expression(0)
        inherit(node, item)
        node.items.append(item)
        if not parser.accept(";"):
            break
    parser.expect(")", after_operand=True)
    node.binds = parser.bound > bound
    node.constructed = shape.constructs(node)
    return node


def _array(parser: Parser, token: Token) -> Node:
    node = Array(position=token.position, items=[])
    if parser.token.kind != "]":
        while True:
            item = parser.expression(0)
            if parser.token.kind == "..":
                position = parser.token.position
                parser.advance()
                first, last = item, parser.expression(0)
                item = Range(position=position, first=first, last=last)
                inherit(item, first)
                inherit(item, last)
            inherit(node, item)
            node.items.append(item)
            if not parser.accept(","):
                break
    parser.expect("]", after_operand=True)
    return node


def _pairs(parser: Parser) -> list[tuple[Node, Node]]:
    pairs: list[tuple[Node, Node]] = []
    if parser.token.kind != "}":
        while True:
            key = parser.expression(0)
            parser.expect(":")
            pairs.append((key, parser.expression(0)))
            if not parser.accept(","):
                break
    parser.expect("}", after_operand=True)
    return pairs


def _object(parser: Parser, token: Token) -> Node:
    node = Object(position=token.position, pairs=_pairs(parser))
    for key, value in node.pairs:
        inherit(node, key)
        inherit(node, value)
    return node


def _transform(parser: Parser, token: Token) -> Node:
    parts = [parser.expression(0)]
    parser.expect("|")
    parts.append(parser.expression(0))
    if parser.accept(","):
        parts.append(parser.expression(0))
    parser.expect("|", after_operand=True)
    return Opaque(position=token.position, kind="transform", parts=parts)


# --- after an operand ---


def _dot(parser: Parser, left: Node, token: Token) -> Node:
    return shape.join(left, parser.expression(BINDING["."], after_dot=True))


def _link(parser: Parser, left: Node, token: Token) -> Node:
    operator = "=" if token.kind == "==" else token.kind
    operand = parser.expression(BINDING[token.kind])
    if isinstance(left, Chain):
        chain = left
    else:
        chain = Chain(position=left.position, first=left, links=[])
        inherit(chain, left)
    chain.links.append(Link(operator, operand, token.position))
    inherit(chain, operand)
    return chain


def _condition(parser: Parser, left: Node, token: Token) -> Node:
    then = parser.expression(0)
    otherwise = parser.expression(0) if parser.accept(":") else None
    node = Condition(position=token.position, test=left, then=then, otherwise=otherwise)
    for part in node.operands():
        inherit(node, part)
    return node


def _default(parser: Parser, left: Node, token: Token) -> Node:
    node = Default(position=token.position, value=left, otherwise=parser.expression(0))
    for part in node.operands():
        inherit(node, part)
    return node


def _coalescing(parser: Parser, left: Node, token: Token) -> Node:
    raise Fault(
        DISALLOWED_FUNCTION,
        "The operator ?? calls exists(), which is a disallowed function; write coalesce(a, b).",
        token.position,
        "exists",
    )


def _bind(parser: Parser, left: Node, token: Token) -> Node:
    if not isinstance(left, Variable) or left.predicates or left.group:
        raise Fault(SYNTAX, "Only a variable, such as $name, can stand before :=.", left.position)
    parser.bound += 1
    node = Bind(position=token.position, name=left.name, value=parser.expression(BINDING[":="] - 1))
    inherit(node, node.value)
    return node


def _variable_after(parser: Parser, token: Token) -> str:
    operand = parser.expression(BINDING[token.kind])
    if not isinstance(operand, Variable):
        raise Fault(SYNTAX, f"A variable, such as $name, is expected after {token.kind}.", operand.position)
    return operand.name


def _focus(parser: Parser, left: Node, token: Token) -> Node:
    return shape.bind_focus(left, _variable_after(parser, token), token.position)


def _index(parser: Parser, left: Node, token: Token) -> Node:
    return shape.bind_index(left, _variable_after(parser, token))


def _filter(parser: Parser, left: Node, token: Token) -> Node:
    if parser.token.kind == "]":
        parser.advance(after_operand=True)
        return shape.keep_array(left)
    predicate = parser.expression(0)
    parser.expect("]", after_operand=True)
    return shape.add_filter(left, predicate, token.position)


def _group(parser: Parser, left: Node, token: Token) -> Node:
    return shape.add_group(left, _pairs(parser), token.position)


def _sort(parser: Parser, left: Node, token: Token) -> Node:
    parser.expect("(")
    terms: list[SortTerm] = []
    while True:
        descending = parser.token.kind == ">"
        if descending or parser.token.kind == "<":
            parser.advance()
        terms.append(SortTerm(parser.expression(0), descending))
        if not parser.accept(","):
            break
    parser.expect(")", after_operand=True)
    return shape.add_sort(left, terms, token.position)


def _call(parser: Parser, left: Node, token: Token) -> Node:
    arguments: list[Node] = []
    if parser.token.kind != ")":
        while True:
            if parser.token.kind == "?":
                arguments.append(Placeholder(position=parser.token.position))
                parser.advance(after_operand=True)
            else:
                arguments.append(parser.expression(0))
            if not parser.accept(","):
                break
    parser.expect(")", after_operand=True)
    name = left.bare_name if isinstance(left, Path) else None
    if name is not None and name.value in _LAMBDA_WORDS:
        return _lambda(parser, left, arguments)
    if name is None and not _is_plain_variable(left):
        raise _uncallable(parser, left)
    node = Call(position=left.position, callee=left, arguments=arguments)
    for argument in arguments:
        inherit(node, argument)
    return node


def _uncallable(parser: Parser, callee: Node) -> Fault:
    # Refused here and not by the check after, so that calls of calls cannot nest without limit.
    if parser.lambda_at is not None:
        return lambda_refused(parser.lambda_at)
    message = "Only a function's name can be called; what is computed here may be a disallowed function."
    return Fault(DISALLOWED_FUNCTION, message, callee.position)


def _lambda(parser: Parser, word: Node, parameters: list[Node]) -> Node:
    for parameter in parameters:
        if not isinstance(parameter, Variable):
            raise Fault(SYNTAX, "A parameter of a function must be a variable.", parameter.position)
    if parser.accept("<"):
        _skip_signature(parser)
    parser.expect("{")
    parser.expression(0)
    parser.expect("}", after_operand=True)
    if parser.lambda_at is None:
        parser.lambda_at = word.position
    return Lambda(position=word.position)


def _skip_signature(parser: Parser) -> None:
    depth = 1
    while depth and parser.token.kind not in ("{", lexer.END):
        depth += (parser.token.kind == "<") - (parser.token.kind == ">")
        parser.advance()


def _is_plain_variable(node: Node) -> bool:
    return isinstance(node, Variable) and not node.predicates and node.group is None


def unexpected(token: Token, wanted: str) -> Fault:
    """The failure of a token where something else must be."""
    if token.kind == lexer.END:
        return Fault(SYNTAX, f"The expression ends where {wanted} is expected.", token.position)
    return Fault(SYNTAX, f"{wanted[0].upper()}{wanted[1:]} is expected here, not {shown(token)}.", token.position)


def shown(token: Token) -> str:
    """A token as messages name it."""
    if token.kind == lexer.STRING:
        return "A text"
    if token.kind == lexer.REGEX:
        return "A regular expression"
    return f"${token.value}" if token.kind == lexer.VARIABLE else str(token.value)


STARTS: Final[dict[str, Callable[[Parser, Token], Node]]] = {
    lexer.STRING: _literal,
    lexer.NUMBER: _literal,
    lexer.VALUE: _literal,
    lexer.NAME: _name,
    "and": _name,
    "or": _name,
    "in": _name,
    lexer.VARIABLE: _variable,
    lexer.REGEX: _regex,
    "*": _wildcard,
    "**": _descendants,
    "%": _parent,
    "-": _negation,
    "(": _block,
    "[": _array,
    "{": _object,
    "|": _transform,
}
CONTINUATIONS: Final[dict[str, Callable[[Parser, Node, Token], Node]]] = {
    ".": _dot,
    "[": _filter,
    "{": _group,
    "(": _call,
    "@": _focus,
    "#": _index,
    "^": _sort,
    "?": _condition,
    "?:": _default,
    "??": _coalescing,
    ":=": _bind,
    **dict.fromkeys(_LINKS, _link),
}
