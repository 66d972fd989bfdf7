"""What a request's headers ask for, from Prometheus' own to malformed ones."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hostcollector.outputs.exposition.formats import Format, accepts_gzip, choose_format

OPENMETRICS = "application/openmetrics-text"
PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
    "text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)
PROMETHEUS_3_PROTOBUF = (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,"
    + PROMETHEUS_3
)
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
PROTOBUF_ONLY = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"


@pytest.mark.parametrize(
    "accept",
    [
        PROMETHEUS_2,
        PROMETHEUS_3,
        PROMETHEUS_3_PROTOBUF,
        OPENMETRICS,
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
        "application/openmetrics-text;version=0.0.1",
        'APPLICATION/OpenMetrics-Text; Version="1.0.0"',
        "text/plain;q=0.5, application/openmetrics-text;q=0.9",
        "application/openmetrics-text;version=2.0.0, application/openmetrics-text;version=1.0.0;q=0.1",
        "application/openmetrics-text, text/plain",
        "*/*, application/openmetrics-text",
        "application/*",
        "text/plain;q=0, */*",
        "*/*;q=0, application/openmetrics-text;q=0.001",
        "text/plain;q=high, application/openmetrics-text;q=0.2",
        ",;,application/openmetrics-text;;q=1.000,",
    ],
)
def test_openmetrics_for_who_wants_it_most(accept: str) -> None:
    """OpenMetrics goes to a client that takes a version of it and takes nothing more gladly."""
    assert choose_format(accept) is Format.OPENMETRICS


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        BROWSER,
        PROTOBUF_ONLY,
        "text/plain",
        "text/plain;version=0.0.4",
        "text/plain, application/openmetrics-text",
        "text/*, application/openmetrics-text;q=0.9",
        "application/openmetrics-text;q=0.5, text/plain;q=0.6",
        "application/openmetrics-text;q=0.5, */*;q=0.6",
        "application/openmetrics-text;version=2.0.0",
        "application/openmetrics-text;version=2.0.0, */*;q=0.1",
        "application/openmetrics-text;q=0",
        "application/openmetrics-text;q=0.000, text/plain;q=0",
        "application/openmetrics-text;q=0, */*",
        "application/openmetrics-text;q=",
        "application/openmetrics-text;q=nan",
        "application/openmetrics-text;q=-1",
        "application/openmetrics-text;q=2",
        "openmetrics-text",
        "application/json;q=0.1",
        ";;;,,,q=1",
        "\N{SNOWMAN}",
    ],
)
def test_text_for_every_other_client(accept: str) -> None:
    """Who prefers text, takes nothing that there is, or cannot be understood gets the text format."""
    assert choose_format(accept) is Format.TEXT


@pytest.mark.parametrize(
    "accept_encoding",
    [
        "gzip",
        "gzip, deflate, br",
        "deflate, GZIP;q=0.5",
        "x-gzip",
        "*",
        "br, *;q=0.1",
        "gzip;q=0.5, *;q=0",
        "identity;q=0.5, gzip",
        "identity;q=0, *;q=0.1",
        "gzip;q=1.0, identity",
    ],
)
def test_gzip_for_who_takes_it(accept_encoding: str) -> None:
    """A page is compressed when gzip is accepted by name or wildcard, at least as gladly as none."""
    assert accepts_gzip(accept_encoding)


@pytest.mark.parametrize(
    "accept_encoding",
    [
        "",
        "identity",
        "br",
        "gzip;q=0",
        "gzip;q=0.000, *",
        "*;q=0",
        "gzip;q=x",
        "gzip;q=0.5, identity",
        ";q=1",
        "gzip/1",
    ],
)
def test_no_gzip_for_who_does_not(accept_encoding: str) -> None:
    """A page is not compressed when gzip is not named, refused with q=0, malformed or less welcome."""
    assert not accepts_gzip(accept_encoding)


@given(header=st.text(alphabet=st.sampled_from('aq=;,*/ "\\.01\t\N{SNOWMAN}') | st.characters()))
@example(header='application/openmetrics-text;version="1.0.0')
@example(header="application/openmetrics-text;q=0.\N{ARABIC-INDIC DIGIT FIVE}")
def test_no_header_breaks_the_negotiation(header: str) -> None:
    """Whatever a client sends, it gets an answer."""
    assert choose_format(header) in Format
    assert accepts_gzip(header) in {True, False}
