"""A page's data without a browser, and a headless Chromium to look at pages with."""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

Opened = Callable[..., webdriver.Chrome]


def data_of(page: bytes) -> Any:
    """What the page's script gets to see."""
    packed = re.search(rb'<script type="text/plain" id="data">\n([A-Za-z0-9+/=\n]*)\n</script>', page)
    assert packed is not None
    return json.loads(gzip.decompress(base64.b64decode(packed[1])))


@pytest.fixture(scope="session")
def chromium() -> Iterator[webdriver.Chrome]:
    """Headless Chromium without a network. Skips where there is none, or fails where nothing may be skipped."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if browser is None or driver is None:
        reason = "no chromium and chromedriver: on Debian, apt-get install chromium chromium-driver"
        if os.environ.get("PGCONV_REQUIRE_KERNEL") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    options = Options()
    options.binary_location = browser
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.add_argument("--host-resolver-rules=MAP * ~NOTFOUND")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options=options, service=Service(driver)) as running:
        running.set_script_timeout(60)
        yield running


@pytest.fixture
def opened(chromium: webdriver.Chrome) -> Opened:
    """Open a page from disk at a width, and wait until its script has done its work."""

    def open_(page: Path, place: str = "", width: int = 1400, dark: bool = False) -> webdriver.Chrome:
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        chromium.get("about:blank")
        chromium.get_log("browser")  # type: ignore[no-untyped-call]
        chromium.get(f"{page.as_uri()}{place}")
        for _ in range(200):
            if chromium.execute_script("return document.body.dataset.ready"):
                return chromium
            time.sleep(0.05)
        pytest.fail(f"the page did not start: {messages(chromium)}")

    return open_


def messages(browser: webdriver.Chrome) -> list[str]:
    """What the page has complained about since it was opened."""
    return [entry["message"] for entry in browser.get_log("browser")]  # type: ignore[no-untyped-call]
