"""Pieces of Python, built with libcst."""

from __future__ import annotations

import libcst as cst


def call(name: str, *arguments: cst.BaseExpression) -> cst.Call:
    return cst.Call(cst.Name(name), [cst.Arg(bare(a)) for a in arguments])


def binary(a: cst.BaseExpression, operator: cst.BaseBinaryOp, b: cst.BaseExpression) -> cst.BinaryOperation:
    return cst.BinaryOperation(nested(a), operator, nested(b))


def nested(code: cst.BaseExpression) -> cst.BaseExpression:
    """In parentheses where an operator stands beside it."""
    if isinstance(code, (cst.BinaryOperation, cst.Comparison, cst.UnaryOperation)) and not code.lpar:
        return code.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    return code


def bare(code: cst.BaseExpression) -> cst.BaseExpression:
    return code.with_changes(lpar=[], rpar=[]) if code.lpar else code
