"""Rules for values, from the type annotations of a constructor's arguments."""

import ast

from encore.config.rules import Rule, any_of, boolean, integer, list_of, mapping, number, one_of, optional, text
from encore.config.signature import Parameter

TYPES: dict[str, Rule] = {
    "int": integer(), "float": number(), "bool": boolean, "str": text, "dict": mapping, "list": list_of(lambda _: None),
}  # fmt: skip
LISTS = ("Sequence", "Iterable", "list")
NO_PLAIN_VALUES = ("Tensor",)


def rule_of(parameter: Parameter) -> Rule | None:
    """A parameter's rule; None if its type says nothing about plain values."""
    rule = rule_for(parameter.annotation)
    default = parameter.default
    nullable = isinstance(default, ast.Constant) and default.value is None
    return optional(rule) if rule is not None and nullable else rule


def rule_for(annotation: ast.expr | None) -> Rule | None:
    match annotation:
        case ast.Name(id=name):
            return TYPES.get(name)
        case ast.BinOp(op=ast.BitOr(), left=left, right=ast.Constant(value=None)):
            rule = rule_for(left)
            return None if rule is None else optional(rule)
        case ast.BinOp(op=ast.BitOr(), left=left, right=ast.Name(id=name)) if name in NO_PLAIN_VALUES:
            return rule_for(left)
        case ast.BinOp(op=ast.BitOr(), left=left, right=right):
            rules = [rule for side in (left, right) if (rule := rule_for(side)) is not None]
            return any_of(*rules) if len(rules) == 2 else None
        case ast.Subscript(value=ast.Name(id="Optional"), slice=item):
            rule = rule_for(item)
            return None if rule is None else optional(rule)
        case ast.Subscript(value=ast.Name(id="Literal"), slice=chosen):
            values = ast.literal_eval(chosen)
            return one_of(*(values if isinstance(values, tuple) else (values,)))
        case ast.Subscript(value=ast.Name(id="dict")):
            return mapping
        case ast.Subscript(value=ast.Name(id=name), slice=item) if name in LISTS:
            rule = rule_for(item)
            return TYPES["list"] if rule is None else list_of(rule)
    return None
