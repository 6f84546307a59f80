"""Kinds of edges between quantities: what the source does with two values of one unit, and how much it proves.

A unit travels along edges; the cost of a path is the sum of its edges and says how far the evidence is from the use.
Cost 0 is equality of the language (an assignment, the count side of a conversion): such classes are what a
union-find would unite. Dearer edges are weaker claims: the bytes side of a conversion keeps the granule only if the
code keeps it aligned.
"""

from __future__ import annotations

from enum import IntEnum


class Edge(IntEnum):
    ASSIGN = 0
    COMPARE = 1
    ADD = 2
    ARGUMENT = 3
    RETURN = 4
    MEMBER = 5
    COUNT = 6
    BYTES = 7
    ROUNDED = 8
    GRANULE = 9
    SPLIT = 10
    OFFSET = 11
    STEP = 12
    CHOICE = 13
    INDEX = 14
    TYPE = 15
    NAME = 16
    EXTENT = 17
    RULE = 18
    PARAMETER = 19
    CONVERTED = 20
    BOUND = 21
    IDIOM = 22


COST: dict[Edge, int] = {
    Edge.ASSIGN: 0,
    Edge.COMPARE: 1,
    Edge.ADD: 1,
    Edge.ARGUMENT: 1,
    Edge.RETURN: 1,
    Edge.MEMBER: 1,
    Edge.COUNT: 0,
    Edge.BYTES: 3,
    Edge.ROUNDED: 2,
    Edge.GRANULE: 1,
    Edge.SPLIT: 3,
    Edge.OFFSET: 2,
    Edge.STEP: 2,
    Edge.CHOICE: 1,
    Edge.INDEX: 2,
    Edge.TYPE: 1,
    Edge.NAME: 1,
    Edge.EXTENT: 2,
    Edge.RULE: 0,
    Edge.PARAMETER: 1,
    Edge.CONVERTED: 3,
    Edge.BOUND: 1,
    Edge.IDIOM: 0,
}

WHY: dict[int, str] = {
    Edge.ASSIGN: "is assigned from",
    Edge.COMPARE: "is compared with",
    Edge.ADD: "is added to or subtracted from",
    Edge.ARGUMENT: "is passed as",
    Edge.RETURN: "is returned by",
    Edge.MEMBER: "is",
    Edge.COUNT: "is the count that is converted by",
    Edge.BYTES: "is the bytes that are converted by",
    Edge.ROUNDED: "is rounded or tested by",
    Edge.GRANULE: "is made a multiple by",
    Edge.SPLIT: "is split by",
    Edge.OFFSET: "is what is left by",
    Edge.STEP: "is stepped together with",
    Edge.CHOICE: "is chosen against",
    Edge.INDEX: "indexes",
    Edge.TYPE: "has type",
    Edge.NAME: "is named as",
    Edge.EXTENT: "is measured against",
    Edge.RULE: "matches",
    Edge.PARAMETER: "is",
    Edge.CONVERTED: "is made bytes by",
    Edge.BOUND: "runs up to",
    Edge.IDIOM: "is one idiom with",
}
