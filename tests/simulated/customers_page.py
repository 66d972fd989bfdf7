"""Draws the pictures of the customers' page in docs: a gateway with a simulated customer, in Chromium.

``python -m tests.simulated.customers_page DIRECTORY``; ``make pictures``. Needs Chromium and VictoriaMetrics.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.gateway.served import Gateway, served
from tests.gateway.stores import victoria_metrics
from tests.simulated.customer import STEP, VMS, samples

PATIENCE = 60_000
"""Milliseconds for what the browser waits for."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What a picture shows: the list, or the charts of a VM. The size is in pixels."""

    file: str
    width: int
    height: int
    vm: int | None = None
    dark: bool = False


PICTURES = (
    Picture("customers-list.png", 1000, 470),
    Picture("customers-vm.png", 1000, 1000, vm=1),
    Picture("customers-dark.png", 1000, 1000, vm=0, dark=True),
    Picture("customers-phone.png", 360, 740, vm=2),
)


def main(directory: Path) -> int:
    """Write the pictures; 1 where there is no browser."""
    program = shutil.which("chromium")
    if program is None:
        print("chromium is not installed", file=sys.stderr)
        return 1
    end = int(time.time()) // STEP * STEP
    with (
        tempfile.TemporaryDirectory() as name,
        victoria_metrics(list(samples(end, "a"))) as store,
        served(store, Path(name) / "gateway", workers=1) as gateway,
        sync_playwright() as playwright,
    ):
        for vm in VMS:
            gateway.changes.name_vm("a", vm.id, vm.name)
        time.sleep(2)  # the worker reads the names
        flags = ["--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        browser = playwright.chromium.launch(executable_path=program, args=flags)
        for picture in PICTURES:
            draw(browser, gateway, picture, directory / picture.file)
        browser.close()
    return 0


def draw(browser: Browser, gateway: Gateway, picture: Picture, file: Path) -> None:
    """Write one picture, with few colours where pngquant is installed."""
    page = browser.new_page(
        base_url=f"http://127.0.0.1:{gateway.port}",
        viewport={"width": picture.width, "height": picture.height},
        color_scheme="dark" if picture.dark else "light",
    )
    page.set_default_timeout(PATIENCE)
    page.goto(f"/#token={gateway.token}")
    page.locator(".vms tbody svg").nth(len(VMS) - 2).wait_for()
    if picture.vm is not None:
        page.goto(f"/#/vm/{VMS[picture.vm].id}")
        page.locator("figure canvas").first.wait_for()
    page.wait_for_timeout(1000)  # charts draw themselves in the next frames
    page.screenshot(path=file)
    page.close()
    if program := shutil.which("pngquant"):
        subprocess.run([program, "--force", "--ext=.png", "--speed=1", "64", str(file)], check=True)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
