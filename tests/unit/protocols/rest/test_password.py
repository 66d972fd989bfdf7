"""Where the password comes from, and that it is never shown."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from hostcollector.base.errors import SourceError
from hostcollector.protocols.rest.target import prepare
from tests.fakes.rest import PASSWORD, FakeService
from tests.unit.protocols.rest.conftest import SERVICE, THINGS, Follow, Settings
from tests.unit.protocols.rest.polling import polling, wait_until


def test_the_password_is_read_again_for_each_round(follow: Follow, tmp_path: Path) -> None:
    """A password that was changed works without a restart."""
    (tmp_path / "password").write_text("old")
    with polling(follow()) as poller:
        (tmp_path / "password").write_text(PASSWORD)
        wait_until(lambda: poller._state.answer is not None)
        assert poller.current()[2] == ""


def test_the_password_comes_from_the_credentials_of_the_service(settings: Settings, tmp_path: Path) -> None:
    """Without a file the credential that systemd hands over is read."""
    (tmp_path / "depot-password").write_text("from-systemd")
    environment = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    target = prepare(SERVICE, replace(settings, password_file=None), environment)
    assert target.password == "from-systemd"
    assert "from-systemd" not in repr(target)


@pytest.mark.parametrize("content", [b"", b"\n", b"two\nlines", b"\xff\xfe", b"x" * 2000, b"nul\x00"])
def test_a_file_without_a_password_is_named_and_not_quoted(
    settings: Settings, tmp_path: Path, content: bytes
) -> None:
    """What cannot be a password is refused with the file's name only."""
    (tmp_path / "password").write_bytes(content)
    with pytest.raises(SourceError) as caught:
        prepare(SERVICE, settings, {})
    assert str(caught.value).startswith(f"{tmp_path}/password ")
    assert not content.strip() or content.decode(errors="replace").strip() not in str(caught.value)


def test_the_password_is_never_shown(
    settings: Settings, follow: Follow, service: FakeService, caplog: pytest.LogCaptureFixture
) -> None:
    """Even a service that sends it back finds it in no error and in no line of the log."""
    caplog.set_level(logging.DEBUG)

    async def echo(request: web.Request) -> web.StreamResponse:
        return web.Response(status=500, reason=request.headers["Authorization"])

    with polling(follow()) as poller:
        service.misbehave[THINGS] = echo
        wait_until(lambda: poller.current()[2] != "")
        said = poller.current()[2]
    everything = said + caplog.text + repr(poller) + repr(settings)
    assert PASSWORD not in everything
    assert prepare(SERVICE, settings, {}).basic not in everything


@pytest.mark.parametrize(("mode", "refused"), [(0o600, False), (0o640, False), (0o644, True), (0o602, True)])
def test_a_password_that_every_account_may_read_is_refused(
    settings: Settings, mode: int, *, refused: bool
) -> None:
    """A file that is open to all on the machine is named with its mode and the fix, as key files are."""
    assert settings.password_file is not None
    Path(settings.password_file).chmod(mode)
    if refused:
        with pytest.raises(SourceError, match=rf"password can be read .*\(mode {mode:04o}\): run `chmod o=`"):
            prepare(SERVICE, settings, {})
    else:
        assert prepare(SERVICE, settings, {}).password == PASSWORD
