"""One HTML file with its style, its script and its data: what the pages share.

The static part is a Jinja template with autoescape. What comes from a tree reaches the page as data only: compressed
JSON in base64, which no file name can end. The content security policy names the page's own script and style by their
digests, so that nothing else would run, and nothing is fetched, even if something slipped through.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from converter.report import encode

_PAGE = Path(__file__).parent / "page"
_DECEPTIVE = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
_LINE_LENGTH = 4096


def shown(text: str) -> str:
    """Text of a tree as a page shows it: controls, marks that reorder what is read, and stray bytes as escapes."""
    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return _DECEPTIVE.sub(lambda m: f"\\u{ord(m[0]):04x}" if ord(m[0]) > 0xFF else f"\\x{ord(m[0]):02x}", text)


def document(template: str, scripts: Sequence[str], data: Any, warnings: Sequence[str], **values: Any) -> bytes:
    """The page. `scripts` are run in their order, as one; `data` is what data.js hands them."""
    style = _own("page.css")
    script = "'use strict';\n(() => {\n" + "".join(_own(name) for name in scripts) + "})();\n"
    environment = Environment(
        loader=FileSystemLoader(_PAGE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["shown"] = shown
    packed = base64.b64encode(gzip.compress(encode.value(data), compresslevel=9, mtime=0)).decode()
    policy = f"default-src 'none'; script-src {_digest(script)}; style-src {_digest(style)}"
    text = environment.get_template(
        template
    ).render(
        style=Markup(style),  # files of our own, without anything from a tree
        script=Markup(script),
        policy=policy,
        warnings=warnings,
        packed="\n".join(packed[n : n + _LINE_LENGTH] for n in range(0, len(packed), _LINE_LENGTH)),
        **values,
    )
    return text.encode("utf-8", "backslashreplace")


def _own(name: str) -> str:
    return (_PAGE / name).read_text("utf-8")


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
