"""Warnings about pipelines that run."""

from __future__ import annotations

import pytest

from ocr_peer.pipeline import lint, parse_pipeline

SOUND = """
    a [type=http url="https://a.example/" timeout="4s"]; a_parse [type=jsonparse path=x]; a -> a_parse -> m;
    b [type=http url="https://b.example/" timeout="4s"]; b_parse [type=jsonparse path=x]; b -> b_parse -> m;
    c [type=http url="https://c.example/" timeout="4s"]; c_parse [type=jsonparse path=x]; c -> c_parse -> m;
    m [type=median allowedFaults=1];
"""


def test_a_sound_feed_has_no_warnings() -> None:
    assert lint(parse_pipeline(SOUND)) == ()


@pytest.mark.parametrize(
    ("old", "new", "warning"),
    [
        ('b.example/" timeout="4s"', 'b.example/"', "b: its limit of 15s is longer than most rounds"),
        ('b.example/" timeout="4s"', 'b.example/" timeout=0', "b: timeout=0 leaves only"),
        ("https://b.example/", "http://b.example/", "b: http:// lets anyone"),
        ("https://b.example/", "https://a.example/", "b: asks the same as a"),
        (
            "b_parse [type=jsonparse path=x]",
            'b_parse [type=jsonparse path="x, y"]',
            "b_parse: blanks in path 'x, y'",
        ),
        ("b_parse [type=jsonparse path=x]", "b_parse [type=jsonparse]", "b_parse: has no path"),
        (
            "b_parse [type=jsonparse path=x]",
            "b_parse [type=jsonparse path=x retries=2]",
            "b_parse: retries has no",
        ),
        (" allowedFaults=1", "", "m: without allowedFaults it lets 2 of 3 inputs fail"),
        ("allowedFaults=1", "allowedFaults=2", "m: with allowedFaults=2 a minority of its 3 inputs decides"),
        ("allowedFaults=1", "allowedFaults=3", "m: allowedFaults=3 of 3 inputs never takes effect"),
        ("type=median", "type=mean", "m: one far-off input moves a mean"),
        ("type=median", "type=sum", "m: sums up the inputs that happen to be there"),
        ("m [type=median", "rankdir=LR; m [type=median", "rankdir=LR says nothing about a task"),
        ("m [type=median", "z [type=memo value=1 index=1]; m [type=median", "m, z: are all final"),
    ],
)
def test_each_warning(old: str, new: str, warning: str) -> None:
    assert old in SOUND
    warnings = lint(parse_pipeline(SOUND.replace(old, new)))
    assert [text for text in warnings if warning in text] == list(warnings)
    assert len(warnings) == 1


def test_a_single_source_is_pointed_out() -> None:
    source = 'a [type=http url="https://a.example/" timeout="4s"]; m [type=jsonparse path=x]; a -> m'
    assert [text.partition(";")[0] for text in lint(parse_pipeline(source))] == ["a: is the only source"]


@pytest.mark.parametrize("host", ["localhost:80", "127.0.0.1", "10.0.0.8:8080", "[::1]:8080", "adapter"])
def test_plain_http_is_fine_in_ones_own_network(host: str) -> None:
    assert lint(parse_pipeline(SOUND.replace("https://b.example", f"http://{host}"))) == ()
