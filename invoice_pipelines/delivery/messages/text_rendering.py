"""The text of a message gets its fields: Jinja in a sandbox, in which nothing can be called.

An organization's text is data of somebody else: it sees the fields and no Python, reads no file, and can neither loop
nor build up a value, so that it takes no time and no memory worth mentioning. What a field holds is never taken for
markup. A field that does not exist is an error, never an empty place.
"""

from __future__ import annotations

import dataclasses
import unicodedata
from functools import cache, lru_cache
from importlib.resources import files
from types import TracebackType
from typing import Any, get_type_hints

from jinja2 import DictLoader, StrictUndefined, Template, TemplateError, TemplateNotFound, TemplateSyntaxError, nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import BlockReference, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment

from invoice_pipelines.delivery.messages.fields import Fields
from invoice_pipelines.delivery.values import DeliveryError

LARGEST_TEMPLATE = 100_000
LARGEST_TEXT = 500_000
SHARED = ("layout.html", "facts.html")
"""Parts that HTML texts can extend or import."""

_FILTERS = (
    *("abs", "capitalize", "default", "d", "escape", "e", "first", "int", "last", "length", "lower", "round", "string"),
    *("title", "trim", "truncate", "upper", "urlencode", "wordcount"),
)
_ALLOWED = frozenset(
    {
        *(nodes.Output, nodes.TemplateData, nodes.Name, nodes.Getattr, nodes.Getitem, nodes.Const, nodes.Filter),
        *(nodes.If, nodes.CondExpr, nodes.Test, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not),
        *(nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Neg, nodes.Pos, nodes.Concat),
        *(nodes.Extends, nodes.Block, nodes.Scope, nodes.FromImport, nodes.Call, nodes.Keyword),
    }
)
_WORDS = {
    nodes.For: "{% for %}",
    nodes.Macro: "{% macro %}",
    nodes.CallBlock: "{% call %}",
    nodes.Assign: "{% set %}",
    nodes.AssignBlock: "{% set %}",
    nodes.With: "{% with %}",
    nodes.Include: "{% include %}",
    nodes.Import: "{% import %}",
    nodes.FilterBlock: "{% filter %}",
    nodes.ScopedEvalContextModifier: "{% autoescape %}",
    nodes.Pow: "**",
}


class _Environment(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset(["*", "**", "%"])

    def is_safe_callable(self, obj: Any) -> bool:
        return isinstance(obj, Macro | BlockReference) or getattr(obj, "__name__", "") in ("root", "caller")

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if not all(isinstance(side, int | float) and abs(side) < 1e9 for side in (left, right)) or operator == "**":
            raise SecurityError(f"{operator} is not available here")
        return super().call_binop(context, operator, left, right)


class TextError(DeliveryError):
    """A text cannot be written with fields. `line` counts from 1; None where no line is to blame."""

    def __init__(self, reason: str, line: int | None) -> None:
        super().__init__(reason if line is None else f"line {line}: {reason}")
        self.line = line


def render(source: str, fields: Fields, *, is_html: bool = False) -> str:
    """The text with its fields. Raises TextError."""
    values = {field.name: getattr(fields, field.name) for field in dataclasses.fields(fields)}
    try:
        rendered = _compiled(source, is_html).render(values)
    except TemplateSyntaxError as error:
        raise TextError(_reason(error), error.lineno) from None
    except (
        TemplateError,
        TypeError,
        ValueError,
        ArithmeticError,
        AttributeError,
        LookupError,
        RecursionError,
    ) as error:
        raise TextError(_reason(error), _line(error.__traceback__)) from None
    if len(rendered) > LARGEST_TEXT:
        raise TextError(f"the text is longer than {LARGEST_TEXT:,} characters", None)
    return _printable(rendered)


def render_line(source: str, fields: Fields) -> str:
    """The text as one line, as a subject must be. Raises TextError."""
    return " ".join(render(source, fields).split())


def check_names(source: str, *, is_html: bool = False) -> None:
    """Looks at all fields that a text names, also where a condition hides them. Raises TextError."""
    if len(source) > LARGEST_TEMPLATE:
        raise TextError(f"it is longer than {LARGEST_TEMPLATE:,} characters", None)
    try:
        tree = _environment(is_html).parse(source)
    except TemplateSyntaxError as error:
        raise TextError(_reason(error), error.lineno) from None
    for node in tree.find_all(nodes.Node):
        if type(node) not in _ALLOWED:
            word = _WORDS.get(type(node), type(node).__name__.lower())
            raise TextError(f"{word} is not available here", node.lineno)
    known = _known_fields()
    own = {"super"}
    for imported in tree.find_all(nodes.FromImport):
        own |= {name if isinstance(name, str) else name[1] for name in imported.names}
    for name in tree.find_all(nodes.Name):
        if name.name not in known and name.name not in own:
            raise TextError(f"there is no field {name.name!r}; there are {_listed(known)}", name.lineno)
    parts = [(part.node, part.attr, part.lineno) for part in tree.find_all(nodes.Getattr)]
    parts += [(part.node, _constant(part.arg), part.lineno) for part in tree.find_all(nodes.Getitem)]
    for whole, attribute, line in parts:
        if isinstance(whole, nodes.Name) and whole.name in known:
            of = known[whole.name]
            if attribute not in of:
                there = f"it has {_listed(of)}" if of else "it is a plain value"
                raise TextError(f"there is no field {f'{whole.name}.{attribute}'!r}; {there}", line)


def shared_part(name: str) -> str:
    """One of SHARED."""
    return (files("invoice_pipelines.delivery.messages") / "texts" / name).read_text(encoding="utf-8")


@cache
def _environment(is_html: bool) -> _Environment:
    environment = _Environment(
        loader=DictLoader({name: shared_part(name) for name in SHARED} if is_html else {}),
        undefined=StrictUndefined,
        autoescape=is_html,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.clear()
    environment.filters = {name: each for name, each in environment.filters.items() if name in _FILTERS}
    return environment


@lru_cache(maxsize=512)
def _compiled(source: str, is_html: bool) -> Template:
    return _environment(is_html).from_string(source)


@cache
def _known_fields() -> dict[str, frozenset[str]]:
    hints = get_type_hints(Fields)
    return {
        name: frozenset(f.name for f in dataclasses.fields(kind)) if dataclasses.is_dataclass(kind) else frozenset()
        for name, kind in hints.items()
    }


def _constant(node: nodes.Expr) -> str:
    return str(node.value) if isinstance(node, nodes.Const) else "[...]"


def _listed(names: Any) -> str:
    return ", ".join(sorted(names))


def _reason(error: BaseException) -> str:
    message = str(error) or type(error).__name__
    if isinstance(error, TemplateNotFound):
        return f"there is no {message[:60]!r}; the HTML of an email can use {' and '.join(SHARED)}"
    if isinstance(error, SecurityError):
        return "nothing can be called or computed here: " + message.replace("__main__.", "")[:150]
    return " ".join(message.replace("invoice_pipelines.delivery.messages.fields.", "").split())[:300]


def _line(trace: TracebackType | None) -> int | None:
    line = None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _printable(text: str) -> str:
    return "".join(
        sign if sign in "\n\t" or unicodedata.category(sign) != "Cc" else ("" if sign == "\r" else " ") for sign in text
    ).strip()
