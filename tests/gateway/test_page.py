"""The customers' page in a real browser: sign-in, list, charts, and what happens when something is wrong."""

import re
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from hostcollector.gateway.accounts.accounts import Scope
from hostcollector.gateway.database import connect
from hostcollector.gateway.settings import LedgerSettings
from hostcollector.gateway.usage.ledger import Ledger
from tests.gateway.served import DAY, Gateway, served
from tests.gateway.stores import victoria_metrics
from tests.gateway.world import VMS, World, world
from tests.unit.gateway.usage.records import answer, clock, closed, usage, vm_uuid

pytestmark = [pytest.mark.lab, pytest.mark.browser, pytest.mark.timeout(240)]

PATIENCE = 120_000
"""Milliseconds for what a browser on a busy machine does."""
USAGE = "/#/usage?month=2026-11"
HOSTILE = "<img src=x onerror=\"document.title='taken'\">"


@pytest.fixture(autouse=True)
def event_loop_never_blocks() -> None:
    """Allow the test to wait: Playwright's own loop runs below it, the gateway is another process."""


@pytest.fixture(scope="module")
def present() -> World:
    """Give samples from half an hour ago to half an hour ahead, so that a slow test has present ones too."""
    return world(seed=1, end=int(time.time()) + 1800)


@pytest.fixture(scope="module")
def gateway(present: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Give a gateway on a store with everything; one of a's VMs has a name that is markup."""
    with (
        victoria_metrics(present.all) as store,
        served(store, tmp_path_factory.mktemp("page")) as running,
    ):
        running.changes.name_vm("a", VMS[0], HOSTILE)
        _use(running)
        yield running


def _use(gateway: Gateway) -> None:
    """Give a a month with final and provisional hours and an adjustment; a VM with a hostile flavour."""
    engine = connect(LedgerSettings(database=f"sqlite:///{gateway.directory}/ledger.db"))
    now = [3.0]
    ledger = Ledger(engine, lambda: clock(now[0]))
    ledger.list_hosts(["hv1:10177", "hv2:10177"])
    ledger.take(answer([usage(1), usage(2, vm=2, flavour=HOSTILE), closed(3), usage(4, hour=1)]))
    ledger.take(answer([closed(1, ledger=2)], target="hv2:10177", ledger=2))
    ledger.finish_hours(6)
    ledger.take(answer([usage(5, vm=3, life=3)], after=4))
    engine.dispose()
    gateway.changes.name_vm("a", vm_uuid(2), HOSTILE)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Give Debian's Chromium."""
    program = shutil.which("chromium")
    assert program is not None, "make setup installs chromium"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser, gateway: Gateway) -> Iterator[Page]:
    """Give a tab that the browser has nothing to complain of at its end."""
    tab = browser.new_page(base_url=f"http://127.0.0.1:{gateway.port}")
    complaints: list[str] = []
    tab.on("console", lambda entry: complaints.append(entry.text))
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    yield tab
    tab.close()
    assert [text for text in complaints if "status of 4" not in text and "status of 5" not in text] == []


def _sign_in(page: Page, gateway: Gateway, path: str = "") -> None:
    page.goto(f"/#token={gateway.token}")
    expect(page.locator(".vms tbody tr")).to_have_count(len(VMS))
    if path:
        page.goto(path)


def test_a_pasted_token_shows_the_tenants_vms(page: Page, gateway: Gateway) -> None:
    """The list has the tenant's VMs and no other; the token is in no storage and in no address."""
    page.goto("/")
    page.get_by_label("API token").fill(gateway.token)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator(".vms tbody tr")).to_have_count(len(VMS))
    for vm in VMS:
        expect(page.locator(".vms")).to_contain_text(vm)
    stored = page.evaluate("JSON.stringify([localStorage, sessionStorage, document.cookie, location.href])")
    assert gateway.token not in stored


def test_a_token_of_the_console_leaves_the_address_at_once(page: Page, gateway: Gateway) -> None:
    """Neither the address nor the history keeps what follows #token=."""
    _sign_in(page, gateway)
    assert "token" not in page.url
    page.locator(".vms a").first.click()
    expect(page.locator("figure").first).to_be_visible()
    page.go_back()
    expect(page.locator(".vms")).to_be_visible()
    assert "token" not in page.url


def test_a_hostile_name_is_text(page: Page, gateway: Gateway) -> None:
    """Markup in a display name is shown as it is written."""
    _sign_in(page, gateway)
    expect(page.get_by_role("link", name=HOSTILE)).to_be_visible()
    assert page.locator("main img").count() == 0
    assert page.title() == "Virtual machines"


def test_a_vm_has_charts_with_its_data(page: Page, gateway: Gateway) -> None:
    """Each metric of the store has its chart, and the same values as a table; others are left out."""
    _sign_in(page, gateway, f"/#/vm/{VMS[1]}")
    titles = page.locator("figure h3")
    expect(titles.filter(has_text="CPU in use")).to_be_visible()
    assert {"CPU in use", "Disk data", "Network", "GPU power"} <= set(titles.all_inner_texts())
    assert "Swapping" not in titles.all_inner_texts()
    figure = page.locator("figure", has=page.get_by_text("GPU power", exact=True))
    assert figure.locator("canvas").count() == 1
    figure.get_by_text("Values of GPU power").click()
    expect(figure.get_by_role("row", name=re.compile("gpu 0 .* W"))).to_be_visible()


def test_the_lines_of_a_chart_have_different_names(page: Page, gateway: Gateway) -> None:
    """Every label in which two series differ is in their names, in each chart."""
    _sign_in(page, gateway, f"/#/vm/{VMS[1]}")
    expect(page.locator("figure h3").filter(has_text="Events")).to_be_visible()
    for figure in page.locator("figure").all():
        names = figure.locator(".u-legend .u-series:not(:first-child) .u-label").all_inner_texts()
        assert names
        assert len(set(names)) == len(names)


def test_a_range_is_chosen_and_zoomed(page: Page, gateway: Gateway) -> None:
    """A button changes the range; a selection with the pointer becomes the range of every chart."""
    _sign_in(page, gateway, f"/#/vm/{VMS[1]}")
    page.get_by_role("button", name="6 hours").click()
    expect(page.get_by_role("button", name="6 hours")).to_have_attribute("aria-pressed", "true")
    box = page.locator("figure .u-over").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.95, box["y"] + 20, steps=5)
    page.mouse.up()
    page.wait_for_url(re.compile("from=[0-9]+&to=[0-9]+"))
    expect(page.get_by_role("button", name="6 hours")).to_have_attribute("aria-pressed", "false")


def test_the_keyboard_is_enough(page: Page, gateway: Gateway) -> None:
    """The first Tab reaches the link past the header; a VM opens with Enter."""
    _sign_in(page, gateway)
    page.evaluate("document.activeElement.blur()")
    page.locator(".vms a").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("figure").first).to_be_visible()
    page.get_by_role("button", name="1 day").focus()
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="1 day")).to_have_attribute("aria-pressed", "true")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(page: Page, gateway: Gateway, scheme: str) -> None:
    """Sign-in, list and charts have no violation of the accessibility rules, in both colour schemes."""
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.goto("/")
    page.get_by_label("API token").wait_for()
    found = [Axe().run(page)]
    _sign_in(page, gateway)
    found.append(Axe().run(page))
    page.goto(f"/#/vm/{VMS[1]}")
    page.locator("figure").first.wait_for()
    found.append(Axe().run(page))
    page.goto(USAGE)
    page.locator(".usage").wait_for()
    found.append(Axe().run(page))
    for result in found:
        assert result.violations_count == 0, result.generate_report()


def test_a_phone_shows_it_without_sideways_scrolling(page: Page, gateway: Gateway) -> None:
    """List and charts fit a narrow window."""
    page.set_viewport_size({"width": 360, "height": 740})
    _sign_in(page, gateway)
    fits = "document.documentElement.scrollWidth <= innerWidth"
    assert page.evaluate(fits)
    page.goto(f"/#/vm/{VMS[1]}")
    page.locator("figure").first.wait_for()
    assert page.evaluate(fits)
    page.goto(USAGE)
    page.locator(".usage").wait_for()
    assert page.evaluate(fits)


def test_a_revoked_token_signs_out(page: Page, gateway: Gateway) -> None:
    """The next request shows why, and no data stays on the page."""
    token = gateway.changes.issue_token("a", [Scope.METRICS], DAY)
    gateway.wait_for_workers()
    page.goto(f"/#token={token}")
    expect(page.locator(".vms tbody tr")).to_have_count(len(VMS))
    gateway.changes.revoke_token(token.split("_")[1])
    gateway.wait_for_workers()
    page.goto(f"/#/vm/{VMS[1]}")
    expect(page.get_by_role("alert")).to_contain_text("You are signed out")
    expect(page.get_by_label("API token")).to_be_visible()
    assert page.locator("figure, .vms").count() == 0


def test_a_store_that_is_down_is_a_message(browser: Browser, present: World, tmp_path: Path) -> None:
    """Charts that were there go: an old one would look like the present."""
    with ExitStack() as ends, ExitStack() as store:
        url = store.enter_context(victoria_metrics(present.own))
        gateway = ends.enter_context(served(url, tmp_path / "gateway", workers=1))
        tab = browser.new_page(base_url=f"http://127.0.0.1:{gateway.port}")
        tab.set_default_timeout(PATIENCE)
        _sign_in(tab, gateway, f"/#/vm/{VMS[1]}")
        tab.locator("figure").first.wait_for()
        store.close()
        tab.get_by_role("button", name="6 hours").click()
        expect(tab.get_by_role("alert")).not_to_be_empty(timeout=PATIENCE)
        assert tab.locator("figure").count() == 0
        tab.close()


def test_usage_of_a_month_is_reached_by_keyboard(page: Page, gateway: Gateway) -> None:
    """A bar for each day, a table by VM, what is provisional is marked, and a name that is markup is text."""
    _sign_in(page, gateway)
    page.get_by_role("link", name="Usage").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=re.compile("^Usage in"))).to_be_visible()
    page.goto(USAGE)
    rows = page.locator(".usage tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.filter(has_text=vm_uuid(1))).to_contain_text("with provisional amounts")
    expect(rows.filter(has_text=vm_uuid(3))).to_contain_text("with adjustment amounts")
    expect(rows.filter(has_text=HOSTILE)).to_contain_text("1 h")
    assert page.locator("main img").count() == 0
    assert {page.locator(f"rect.{state}").count() for state in ("final", "provisional", "adjustment")} == {1}
    page.get_by_text("Values of VM hours by day").click()
    expect(page.locator(".days tbody tr")).to_have_count(1)
    page.get_by_label("Amount by day").focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("heading", name="vCPU hours by day")).to_be_visible()
    page.get_by_role("link", name=re.compile("October")).click()
    expect(page.get_by_text("There is no usage in this month")).to_be_visible()


def test_a_plan_without_usage_is_a_sentence(page: Page, gateway: Gateway) -> None:
    """What the token lacks is said, and the list is still there."""
    token = gateway.changes.issue_token("a", [Scope.METRICS], DAY)
    gateway.wait_for_workers()
    page.goto(f"/#token={token}")
    expect(page.locator(".vms tbody tr")).to_have_count(len(VMS))
    page.goto(USAGE)
    expect(page.get_by_role("alert")).to_contain_text("this token lacks the scope usage:read")
    page.get_by_role("link", name="VMs", exact=True).click()
    expect(page.locator(".vms tbody tr")).to_have_count(len(VMS))


def test_nothing_is_loaded_from_elsewhere(page: Page, gateway: Gateway) -> None:
    """Every request goes to the gateway, and the page may run no inline script."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    _sign_in(page, gateway, f"/#/vm/{VMS[1]}")
    page.locator("figure").first.wait_for()
    own = f"http://127.0.0.1:{gateway.port}/"
    assert all(url.startswith((own, "data:")) for url in asked)
    policy = gateway.raw("/", headers={}).headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
