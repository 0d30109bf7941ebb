"""The smallest pieces of a page: escaped text, elements, pictures."""

import base64
import html
import unicodedata

from vitrine.report.page import Tile

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
MEDIA_TYPES = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)
PLACEHOLDER = (
    '<svg class="picture none" viewBox="0 0 100 100" role="img" aria-label="no picture">'
    '<path d="M22 30h56v40H22zM22 62l16-16 12 12 8-8 20 18M18 82L82 18"/><circle cx="64" cy="42" r="5"/></svg>'
)


def text(value: str) -> str:
    """`value` as it stands between tags or inside a quoted attribute.

    Characters that HTML cannot hold (control characters, lone surrogates) become replacement characters.
    """
    kept = (REPLACEMENT if unicodedata.category(c) in ("Cc", "Cs") and c not in "\t\n" else c for c in value)
    return html.escape("".join(kept), quote=True)


def element(tag: str, *content: str, **attributes: str) -> str:
    """An element around markup; attribute values are escaped, `class_` means class."""
    written = "".join(f' {name.rstrip("_").replace("_", "-")}="{text(value)}"' for name, value in attributes.items())
    return f"<{tag}{written}>{''.join(content)}</{tag}>"


def words(value: str) -> str:
    """Text from outside, kept from changing the direction of what surrounds it; paths may break after a slash."""
    return element("bdi", text(value).replace("/", "/<wbr>"))


def picture(content: bytes | None, *, alt: str) -> str:
    """The picture inside the page itself, or a placeholder."""
    media_type = _media_type(content or b"")
    if content is None or media_type is None:
        return PLACEHOLDER
    source = f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"
    return f'<img class="picture" alt="{text(alt)}" src="{source}">'


def tile(shown: Tile) -> str:
    """A picture with score, caption and note beneath it, as far as there are any."""
    score = "" if shown.score is None else element("span", f"{shown.score:.3f}", class_="score")
    caption = element("span", words(shown.caption), class_="caption", title=shown.caption) if shown.caption else ""
    note = element("span", words(shown.note), class_="note", title=shown.note) if shown.note else ""
    return element("figure", picture(shown.picture, alt=shown.caption), element("figcaption", score, caption, note))


def _media_type(content: bytes) -> str | None:
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    return next((media_type for magic, media_type in MEDIA_TYPES if content.startswith(magic)), None)
