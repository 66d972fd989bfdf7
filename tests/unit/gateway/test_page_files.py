"""The page's files: what is sent, under which policy, and that the vendored library is what was published."""

from hashlib import sha256

from hostcollector.gateway.page.files import read_page

VENDORED = {
    "/page/uplot/uplot.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "/page/uplot/uplot.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
}
"""uPlot 1.6.32 (MIT), dist/uPlot.iife.min.js and dist/uPlot.min.css of its npm package."""


def test_the_page_and_its_parts_have_addresses() -> None:
    """Every file that the page names is there, each with its type."""
    files = read_page()
    text = files["/"].body.decode()
    for name in ("/page/page.css", "/page/uplot/uplot.css", "/page/uplot/uplot.js", "/page/main.js"):
        assert f'"{name}"' in text
        assert name in files
    kinds = {name.rpartition(".")[2]: file.kind for name, file in files.items() if name != "/"}
    assert kinds == {"css": "text/css", "js": "text/javascript; charset=utf-8"}


def test_the_vendored_library_is_unchanged() -> None:
    """Its bytes are those that its authors published."""
    files = read_page()
    assert {name: sha256(files[name].body).hexdigest() for name in VENDORED} == VENDORED


def test_no_file_has_what_its_policy_forbids() -> None:
    """No inline script or style, no event attribute, no text that becomes markup."""
    for name, file in read_page().items():
        if name in VENDORED:
            continue
        text = file.body.decode()
        assert "innerHTML" not in text
        assert "eval(" not in text
        if name == "/":
            assert "<style" not in text
            assert " style=" not in text
            assert " on" not in text.replace(" only", "")
            assert text.count("<script") == text.count("<script src=")
