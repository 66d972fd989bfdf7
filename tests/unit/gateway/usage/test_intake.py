"""Rounds over real endpoints: every host once, whatever single ones do."""

import asyncio
import json
import logging
import os
import ssl
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, event, func, select
from sqlalchemy.pool import NullPool

from hostcollector.base.errors import ConfigError
from hostcollector.gateway.settings import IntakeSettings
from hostcollector.gateway.usage import pulling, schema
from hostcollector.gateway.usage.answers import MOST_BYTES, Refused
from hostcollector.gateway.usage.intake import Intake
from hostcollector.gateway.usage.intake_metrics import IntakeCounters
from hostcollector.gateway.usage.ledger import Ledger
from tests.fakes.authority import Authority
from tests.lab.process import end, spawn, until
from tests.ports import reserved_port
from tests.unit.gateway.usage.records import clock, closed, database, usage
from tests.unit.gateway.usage.served_hosts import endpoint, reply, write_list


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """Give an empty ledger."""
    made = database(tmp_path)
    yield made
    made.dispose()


def pulled(
    engine: Engine, file: Path, *, hours: float = 2.0, settings: IntakeSettings | None = None
) -> IntakeCounters:
    """Make one round at so many hours after the start, and return what was counted."""
    counters = IntakeCounters()
    configured = replace(settings or IntakeSettings(host_seconds=5.0), hosts_file=str(file))
    intake = Intake(configured, Ledger(engine, lambda: clock(hours)), counters, lambda: clock(hours))
    try:
        counters.good = asyncio.run(intake.round())  # type: ignore[attr-defined]
    finally:
        intake.close()
    return counters


def value(counters: IntakeCounters, name: str) -> float:
    """Return a metric of the intake's page."""
    start = f"hostcollector_gateway_intake_{name} "
    return next(
        float(line.removeprefix(start)) for line in counters.lines(clock(2)) if line.startswith(start)
    )


def count(engine: Engine) -> int:
    """Return how many records there are."""
    with engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(schema.records)).scalar_one()


def test_every_host_is_read_once_and_its_hours_become_final(engine: Engine, tmp_path: Path) -> None:
    """A second round finds nothing new, and asks from where the first one ended."""
    with endpoint() as one, endpoint() as two:
        one.lines = [usage(1), usage(2, vm=2), closed(3)]
        two.ledger, two.lines = 2, [usage(1, ledger=2, vm=3), closed(2, ledger=2)]
        file = write_list(tmp_path / "hosts.json", [one.target, two.target, one.target])
        first = pulled(engine, file)
        second = pulled(engine, file)
    assert value(first, "records_total") == 3
    assert value(first, "final_hours_total") == 1
    assert value(second, "records_total") == value(second, "repeated_records_total") == 0
    assert one.asked == [0, 3]
    assert f'host_age_seconds{{host="{one.target}"}} 3600' in "\n".join(first.lines(clock(2)))


def test_a_host_that_was_not_read_for_30_days_is_read_page_by_page(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is final while no intake reads, so what was missed counts in its own hours."""
    monkeypatch.setattr(pulling, "MOST_LINES", 500)
    with endpoint() as host:
        host.lines = [usage(1), closed(2)]
        file = write_list(tmp_path / "hosts.json", [host.target])
        pulled(engine, file)
        for hour in range(1, 720):
            host.lines.append(usage(len(host.lines) + 1, hour=hour))
            host.lines.append(closed(len(host.lines) + 1, hour=hour))
        found = pulled(engine, file, hours=720.1)
    assert host.asked == [0, 2, 502, 1002]
    assert value(found, "records_total") == 719
    assert value(found, "adjustments_total") == 0
    assert value(found, "final_hours_total") == 719
    assert count(engine) == 720


def test_a_host_that_is_installed_again_has_another_ledger(engine: Engine, tmp_path: Path) -> None:
    """The new ledger is read from its beginning, whether the host says 409 or answers with lines."""
    with endpoint() as host:
        host.lines = [usage(number, vm=number) for number in range(1, 9)] + [closed(9)]
        file = write_list(tmp_path / "hosts.json", [host.target])
        pulled(engine, file)
        host.ledger, host.lines = 2, [usage(1, ledger=2, hour=1), closed(2, ledger=2, hour=1)]
        found = pulled(engine, file)
        host.ledger = 3
        host.lines = [usage(number, ledger=3, vm=number, hour=1) for number in range(1, 12)]
        again = pulled(engine, file)
    assert host.asked == [0, 9, 0, 2, 0]
    assert value(found, "records_total") == 1
    assert value(again, "records_total") == 11
    assert value(found, "replaced_ledgers_total") == value(again, "replaced_ledgers_total") == 1
    assert count(engine) == 8 + 1 + 11


def test_a_ledger_that_went_back_is_read_again_and_conflicts_are_kept(engine: Engine, tmp_path: Path) -> None:
    """A disk that was restored: the same id with another body is kept aside, and never billed."""
    with endpoint() as host:
        host.lines = [usage(1), usage(2, vm=2), closed(3), usage(4, hour=1)]
        file = write_list(tmp_path / "hosts.json", [host.target])
        pulled(engine, file)
        host.lines = [usage(1), usage(2, vm=2, meters={"disk_reads": 77})]
        found = pulled(engine, file)
        settled = pulled(engine, file)
    assert host.asked == [0, 4, 0, 2]
    assert value(found, "repeated_records_total") == 1
    assert 'cause="conflict"} 1' in "\n".join(found.lines(0))
    assert value(settled, "records_total") == 0
    with engine.connect() as connection:
        kept = connection.execute(select(schema.refusals)).one()
        assert (kept.reason, kept.sequence) == (Refused.CONFLICT, 2)
        assert '"disk_reads":77' in kept.line
    assert count(engine) == 3


def test_a_ledger_that_another_host_has_is_refused(engine: Engine, tmp_path: Path) -> None:
    """A copied disk, or a lie: the first host keeps the ledger, until the list has it no more."""
    with endpoint() as one, endpoint() as copy:
        one.lines = [usage(1), closed(2)]
        copy.lines = [usage(1, vm=9), closed(2)]
        file = write_list(tmp_path / "hosts.json", [one.target])
        pulled(engine, file)
        write_list(file, [one.target, copy.target])
        found = pulled(engine, file)
        assert value(found, "failed_pulls_total") == 1
        write_list(file, [copy.target])
        moved = pulled(engine, file)
    assert value(moved, "failed_pulls_total") == 0
    assert count(engine) == 1


def _text(handler: BaseHTTPRequestHandler) -> None:
    reply(handler, b"<html>no ledger</html>\n")


def _no_name(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def _endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Hostcollector-Ledger", "1" * 32)
    handler.end_headers()
    try:
        for _ in range(MOST_BYTES // 2**20 + 8):
            handler.wfile.write(b"x" * 2**20)
    except OSError:
        pass


def _broken(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Hostcollector-Ledger", "1" * 32)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    handler.wfile.write(b'{"kind":"usage",')


def _always_409(handler: BaseHTTPRequestHandler) -> None:
    reply(handler, b"", 409)


def _elsewhere(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(302)
    handler.send_header("Location", "http://127.0.0.1:1/tenants/usage")
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def _changing(handler: BaseHTTPRequestHandler) -> None:
    reply(handler, b"", 409, ledger=time.monotonic_ns() % 2**60)


@pytest.mark.parametrize("fault", [_no_name, _endless, _broken, _always_409, _elsewhere, _changing])
def test_a_host_that_answers_garbage_costs_itself_only(
    engine: Engine, tmp_path: Path, fault: "object"
) -> None:
    """It is counted and read again next time; the other host is read, and the hour waits for both."""
    with endpoint() as bad, endpoint() as good:
        bad.fault = fault  # type: ignore[assignment]
        good.ledger, good.lines = 2, [usage(1, ledger=2), closed(2, ledger=2)]
        file = write_list(tmp_path / "hosts.json", [bad.target, good.target])
        found = pulled(engine, file)
        assert value(found, "failed_pulls_total") == 1
        assert value(found, "final_hours_total") == 0
        bad.fault, bad.ledger, bad.lines = None, 3, [usage(1, ledger=3, vm=2), closed(2, ledger=3)]
        again = pulled(engine, file)
    assert value(again, "failed_pulls_total") == 0
    assert value(again, "final_hours_total") == 1
    assert count(engine) == 2


def test_lines_that_are_not_records_are_counted_and_do_not_block(engine: Engine, tmp_path: Path) -> None:
    """What cannot be read is kept aside, and the lines after it are taken."""
    with endpoint() as host:
        host.fault = _text
        file = write_list(tmp_path / "hosts.json", [host.target])
        found = pulled(engine, file)
        assert 'cause="malformed"} 1' in "\n".join(found.lines(0))
        host.fault = None
        huge = usage(2, vm=2, meters={"network_received_bytes": 2**62})
        host.lines = [usage(1), huge, replace(usage(3, vm=3), ledger="f" * 32), usage(4, vm=4), closed(5)]
        found = pulled(engine, file)
    page = "\n".join(found.lines(0))
    assert 'cause="implausible"} 1' in page
    assert 'cause="foreign"} 1' in page
    assert count(engine) == 2


def test_a_host_whose_clock_is_ahead_is_read_later(engine: Engine, tmp_path: Path) -> None:
    """An hour that has not ended is not taken; nothing of it is lost."""
    with endpoint() as host:
        host.lines = [usage(1), closed(2), usage(3, hour=1), closed(4, hour=1)]
        file = write_list(tmp_path / "hosts.json", [host.target])
        early = pulled(engine, file, hours=1.5)
        assert value(early, "failed_pulls_total") == 1
        assert count(engine) == 0
        pulled(engine, file, hours=2.0)
    assert count(engine) == 2


def test_a_list_that_cannot_be_read_makes_nothing_final(engine: Engine, tmp_path: Path) -> None:
    """An empty or broken list is a failed round: it does not mean that there are no hosts."""
    with endpoint() as host:
        host.lines = [usage(1), closed(2)]
        file = write_list(tmp_path / "hosts.json", [host.target])
        for content in ("[]", "{", "[1]", '[{"targets": ["no port"]}]', '[{"targets": [17]}]'):
            file.write_text(content)
            found = pulled(engine, file, hours=100.0)
            assert value(found, "failed_rounds_total") == 1
            assert value(found, "final_hours_total") == 0
        file.unlink()
        assert value(pulled(engine, file), "failed_rounds_total") == 1
    assert host.asked == []


def test_a_silent_host_delays_an_hour_for_six_hours(engine: Engine, tmp_path: Path) -> None:
    """After seven hours the hour is final without it; what it brings then counts when it comes."""
    with endpoint() as one, endpoint() as silent:
        one.lines = [
            line
            for hour in range(8)
            for line in (usage(2 * hour + 1, hour=hour), closed(2 * hour + 2, hour=hour))
        ]
        file = write_list(tmp_path / "hosts.json", [one.target, "127.0.0.1:9"])
        early = pulled(engine, file, hours=6.9)
        assert value(early, "failed_pulls_total") == 2
        one.lines = one.lines[:12]
        early = pulled(engine, file, hours=6.9)
        assert value(early, "final_hours_total") == 0
        late = pulled(engine, file, hours=7.0)
        assert value(late, "final_hours_total") == 1
        silent.ledger, silent.lines = 2, [usage(1, ledger=2, vm=2), closed(2, ledger=2)]
        write_list(file, [one.target, silent.target])
        found = pulled(engine, file, hours=7.5)
        assert value(found, "adjustments_total") == 1
    with engine.connect() as connection:
        hours = connection.execute(select(schema.final_hours)).all()
        assert [(row.hosts, row.hosts_closed) for row in hours] == [(2, 1)]
        row = connection.execute(
            select(schema.records).where(schema.records.c.period != schema.records.c.hour)
        ).one()
        assert row.period == row.hour + 7


def test_the_intake_shows_its_certificate(engine: Engine, tmp_path: Path) -> None:
    """A host that requires one is read with it; a host with another authority's is refused."""
    authority = Authority.new(tmp_path)
    (tmp_path / "other").mkdir()
    other = Authority.new(tmp_path / "other")
    contexts = [each.server("host", "IP:127.0.0.1") for each in (authority, other)]
    for context in contexts:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(authority.file)
    mine = authority.issue("intake", "DNS:intake")
    settings = IntakeSettings(
        host_seconds=5.0,
        ca_file=str(authority.file),
        certificate_file=str(mine.file),
        private_key_file=str(mine.key),
    )
    with endpoint(contexts[0]) as host, endpoint(contexts[1]) as foreign:
        host.lines = [usage(1), closed(2)]
        foreign.ledger, foreign.lines = 2, [usage(1, ledger=2)]
        file = write_list(tmp_path / "hosts.json", [host.target, foreign.target])
        found = pulled(engine, file, settings=settings)
        plain = pulled(engine, file)
    assert value(found, "records_total") == 1
    assert value(found, "failed_pulls_total") == 1
    assert value(plain, "failed_pulls_total") == 2


def test_the_intakes_metrics_are_served_under_tls(engine: Engine, tmp_path: Path) -> None:
    """Its web-config file is a systemd credential, with the certificate beside it."""
    engine.dispose()
    issued = Authority.new(tmp_path).issue("metrics", "IP:127.0.0.1")
    tls = {"cert_file": issued.file.name, "key_file": issued.key.name}
    (tmp_path / "web-config.yml").write_text(json.dumps({"tls_server_config": tls}))
    with endpoint() as host, reserved_port() as port:
        host.lines = [usage(1), closed(2)]
        intake = {
            "hosts_file": str(write_list(tmp_path / "hosts.json", [host.target])),
            "listen_address": f"127.0.0.1:{port}",
        }
        file = tmp_path / "intake.yml"
        file.write_text(json.dumps({"intake": intake, "ledger": {"database": str(engine.url)}}))
        program = "import sys; from hostcollector.gateway.cli import main; sys.exit(main())"
        command = [sys.executable, "-c", program, "intake", f"--config.file={file}"]
        environment = {**os.environ, "CREDENTIALS_DIRECTORY": str(tmp_path)}
        child = spawn(command, tmp_path / "log", environment)
        context = ssl.create_default_context(cafile=tmp_path / "authority.pem")

        def page(path: str) -> str:
            url = f"https://127.0.0.1:{port}{path}"
            with suppress(OSError), urllib.request.urlopen(url, context=context) as answer:
                return str(answer.read().decode())
            return ""

        try:
            until(lambda: bool(page("/-/ready")), 30.0, "the first round")
            assert "hostcollector_gateway_intake_records_total 1" in page("/metrics")
        finally:
            end(child)


def test_without_certificates_only_this_machine_is_read(engine: Engine, tmp_path: Path) -> None:
    """Usage does not cross a network in the clear."""
    file = write_list(tmp_path / "hosts.json", ["192.0.2.1:10177", "localhost:10177"])
    found = pulled(engine, file)
    assert value(found, "failed_pulls_total") == 2


def test_a_host_that_hangs_takes_its_time_only(engine: Engine, tmp_path: Path) -> None:
    """Its deadline ends it; others are read meanwhile."""
    released = threading.Event()
    with endpoint() as hanging, endpoint() as good:
        hanging.fault = lambda _: released.wait(30)  # type: ignore[assignment]
        good.ledger, good.lines = 2, [usage(1, ledger=2), closed(2, ledger=2)]
        file = write_list(tmp_path / "hosts.json", [hanging.target, good.target])
        found = pulled(engine, file, settings=IntakeSettings(host_seconds=0.5))
        released.set()
    assert value(found, "records_total") == 1
    assert value(found, "failed_pulls_total") == 1


def test_a_ledger_that_cannot_be_written_loses_nothing(
    engine: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A full disk: the round fails, the cursor stays, and the next round takes everything."""
    with endpoint() as host:
        host.lines = [usage(number, vm=number) for number in range(1, 400)] + [closed(400)]
        file = write_list(tmp_path / "hosts.json", [host.target])
        pulled(engine, file, hours=0.5)
        with engine.connect() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        full = _with_pages(engine, pages + 2)
        with caplog.at_level(logging.WARNING):
            failed = pulled(full, file)
        full.dispose()
        assert count(engine) == 0
        found = pulled(engine, file)
    assert value(failed, "failed_pulls_total") == 1
    assert "full" in caplog.text
    assert value(found, "records_total") == 399


def _with_pages(engine: Engine, most: int) -> Engine:
    """Return an engine on the same file whose disk is full after so many pages."""
    limited = create_engine(engine.url, poolclass=NullPool)

    @event.listens_for(limited, "connect")
    def _limit(connection: object, _record: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {most}")  # type: ignore[attr-defined]

    return limited


def test_a_list_is_needed(engine: Engine) -> None:
    """Without one the program does not begin."""
    with pytest.raises(ConfigError, match="hosts_file"):
        Intake(IntakeSettings(), Ledger(engine), IntakeCounters())
