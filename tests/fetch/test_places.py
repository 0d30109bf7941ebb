"""Addresses in their canonical form, and what is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitrine.fetch.places import Place, parse, printable, shown


def https(rest: str) -> str:
    """Canonical form of an https address, with its query."""
    place = parse(f"https://{rest}")
    return f"{place.authority}{place.target}"


@pytest.mark.parametrize(
    ("rest", "canonical"),
    [
        ("shop.example/a.jpg", "shop.example/a.jpg"),
        ("Shop.EXAMPLE./A.jpg", "shop.example/A.jpg"),
        ("shop.example:443/a", "shop.example/a"),
        ("shop.example:0443/a", "shop.example/a"),
        ("shop.example:8443/a", "shop.example:8443/a"),
        ("shop.example", "shop.example/"),
        ("shop.example?x=1", "shop.example/?x=1"),
        ("xn--bcher-kva.example/a", "xn--bcher-kva.example/a"),
        ("93.184.216.34./a", "93.184.216.34/a"),
        ("[2606:4700:0:0::1]:8443/a", "[2606:4700::1]:8443/a"),
        ("shop.example/my photo.jpg", "shop.example/my%20photo.jpg"),
        ("shop.example/照片/é.jpg", "shop.example/%E7%85%A7%E7%89%87/%C3%A9.jpg"),
        (
            "shop.example/o/images%2Fa.jpg?alt=media&t=a%2Fb+c/../d",
            "shop.example/o/images%2Fa.jpg?alt=media&t=a%2Fb+c/../d",
        ),
        ("shop.example/@seller/a@2x.jpg", "shop.example/@seller/a@2x.jpg"),
        ("shop.example//a//b", "shop.example//a//b"),
        ("shop.example/50%25 off.jpg", "shop.example/50%25%20off.jpg"),
        ('shop.example/"<a>"?"<b>"', "shop.example/%22%3Ca%3E%22?%22%3Cb%3E%22"),
        ("shop.example/...", "shop.example/..."),
    ],
)
def test_an_https_address_has_one_form(rest: str, canonical: str) -> None:
    assert https(rest) == canonical == https(canonical)


@pytest.mark.parametrize(
    "rest",
    [
        "",
        "/a.jpg",
        ":443/a",
        "shop.example:/a",
        "shop.example:0/a",
        "shop.example:65536/a",
        "shop.example:port/a",
        "shop..example/a",
        ".shop.example/a",
        "shop.example../a",
        f"{'a' * 64}.example/a",
        "bücher.example/a",
        "ſhop.example/a",
        "shop\u3002example/a",
        "shop.example%2eevil.example/a",
        "shop.example%00.evil.example/a",
        "127.1/a",
        "0177.0.0.1/a",
        "127.0.0.0x1/a",
        "0x7f000001/a",
        "2130706433/a",
        "shop.example.1/a",
        "[::1/a",
        "[::1%25eth0]/a",
        "[fe80::1%eth0]/a",
        "[shop.example]/a",
        "::1/a",
        "user@shop.example/a",
        "user:word@shop.example/a",
        "shop.example:443@evil.example/a",
        "shop.example\\@evil.example/a",
        "shop.example/a\\..\\b",
        "shop.example/a#b",
        "shop.example/a?b#c",
        "shop.example/a\r\nHost: evil.example",
        "shop.example/a\tb",
        "shop.example/a?b\nc",
        "shop.example/\ud800",
        "shop.example/a?\udfff",
        "shop.example/pics/../a",
        "shop.example/pics/./a",
        "shop.example/pics/..",
        "shop.example/pics/%2e%2E/a",
        "shop.example/pics/.%2e/a",
        "shop.example/pics/%2e%2e%2fa",
        "shop.example/pics/%252e%252e%252fa",
        "shop.example/pics/..;x=1/a",
        "shop.example/pics/%2e%2e%3bx/a",
        "shop.example/pics/..%5ca",
        "shop.example/pics/%00",
        "shop.example/pics/%0d%0aX:%20y",
        "shop.example/pics/%255c..%255ca",
        f"shop.example/{'a' * 8_000}",
    ],
)
def test_what_readers_could_take_differently_is_no_address(rest: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        https(rest)


def test_a_prefix_covers_whole_parts_of_a_path_on_its_own_host_and_port() -> None:
    prefix = Place("https", "shop.example", "/pics/", port=443)
    assert prefix.covers(parse("https://SHOP.example/pics/a.jpg?x"))
    assert prefix.covers(parse("https://shop.example/pics/"))
    for other in (
        "https://shop.example/pics",
        "https://shop.example/pics-private/a",
        "https://shop.example/Pics/a",
        "https://shop.example/%70ics/a",
        "https://shop.example/pics%2fa",
        "https://shop.example:8443/pics/a",
        "https://cdn.shop.example/pics/a",
        "https://shop.example.evil.example/pics/a",
        "s3://shop.example/pics/a",
    ):
        assert not prefix.covers(parse(other)), other


def test_what_is_shown_of_an_address_holds_no_secret_and_is_one_line() -> None:
    assert str(parse("https://shop.example/a?signature=s3cr3t")) == "https://shop.example/a"
    assert shown("https://user:s3cr3t@shop.example/a?s3cr3t") == "https://..."
    assert shown("https://user:s3cr/3t@shop.example/a") == "https://..."
    assert shown("HTTPS://shop.example:port/a#s3cr3t") == "HTTPS://shop.example:port/a"
    assert shown("user:s3cr3t@shop.example/a") == "..."
    assert shown("shop.example/a?signature=s3cr3t") == "shop.example/a"
    assert str(parse("//shop.example/a?signature=s3cr3t")) == "//shop.example/a"
    assert printable("a\x1b[31m\u2028b" + "c" * 300) == ("a?[31m?b" + "c" * 300)[:200]


@given(st.text() | st.from_regex(r"(https|s3|file)://[^\n]{0,40}"))
def test_any_text_is_a_place_of_one_form_or_none(text: str) -> None:
    try:
        place = parse(text)
    except ValueError:
        return
    assert str(place).isprintable()
    if place.scheme == "https":
        target = f"{place.authority}{place.target}"
        assert target.isascii()
        assert set(target).isdisjoint(' "<>\\^`{|}#')
        assert parse(f"https://{target}") == place
