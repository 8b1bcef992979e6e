"""The site of the documentation: built without a warning, whole in itself, and searchable where there is no network."""

import html
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest
from conftest import ROOT

from encore.config import places

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src"}  # what a browser fetches by itself

pytestmark = pytest.mark.slow


class Page(HTMLParser):
    """The links of a page, what it loads, its anchors, and its text."""

    def __init__(self, text):
        super().__init__()
        self.links, self.loaded, self.anchors = [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.anchors |= {given[key] for key in ("id", "name") if given.get(key)}
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        if given.get(LOADED.get(tag)) and given.get("rel") != "canonical":
            self.loaded.append(given[LOADED[tag]])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site: page by path."""
    pytest.importorskip("material", reason="the site is built by the extra `docs`")
    folder = tmp_path_factory.mktemp("site")
    words = ["build", "--strict", "--site-dir", folder]  # with --quiet it would not be strict
    command = [sys.executable, "-m", "mkdocs", *words, "--config-file", ROOT / "scripts" / "website" / "mkdocs.yml"]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, check=False)
    assert built.returncode == 0, built.stderr
    return folder, {file: Page(file.read_text()) for file in folder.rglob("*.html") if file.name != "404.html"}


def test_every_link_and_every_picture_of_the_site_is_there(site):
    _, pages = site
    for file, page in pages.items():
        for link in (*page.links, *page.loaded):
            path, _, anchor = unquote(html.unescape(link)).partition("#")
            if not re.match(r"[a-z]+:", path):
                target = (file.parent / path).resolve() if path else file
                assert target.is_file(), (file.name, link)
                assert not anchor or target not in pages or anchor in pages[target].anchors, (file.name, link)


def test_nothing_is_loaded_from_the_web(site):
    folder, pages = site
    assert [(file.name, each) for file, page in pages.items() for each in page.loaded if "//" in each] == []
    styles = "".join(file.read_text() for file in folder.rglob("*.css"))
    assert re.findall(r"""url\((?!["']?data:)[^)]*//[^)]*|@import[^;]*//[^;]*""", styles) == []


def test_the_reference_has_every_setting_experiment_and_command(site):
    folder, pages = site
    for group in ("model", "optim", "scheduler", "augment", "callbacks", "logger", "trainer", "data", "task"):
        options = {name for name in places.options(group) if places.find(f"{group}/{name}")}
        assert options <= pages[folder / "settings" / f"{group}.html"].anchors
    for anchor, page in (
        ("seed", "train"),
        ("fine_tune.new", "train"),
        ("data.val_fraction", "data"),
        ("adam.lr", "optim"),
    ):
        assert anchor in pages[folder / "settings" / f"{page}.html"].anchors
    assert set(places.options("experiment")) <= pages[folder / "experiments" / "experiment.html"].anchors
    assert {"train", "runs", "reproduce", "writers"} <= pages[folder / "commands.html"].anchors
    assert "encore.run" in pages[folder / "api" / "encore.html"].anchors


@pytest.mark.parametrize(("words", "found"), [("fingerprint", "reproduce.html"), ("과적합", "course.ko.html")])
def test_search_answers_in_a_page_opened_from_disk(site, words, found, tmp_path):
    if CHROMIUM is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    folder, _ = site
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=20000", "--dump-dom"]
    flags += [f"--user-data-dir={tmp_path / 'browser'}", "--host-resolver-rules=MAP * ~NOTFOUND"]  # no network
    address = f"{(folder / 'index.html').as_uri()}?q={words}"
    shown = subprocess.run([CHROMIUM, *flags, address], capture_output=True, text=True, timeout=120, check=True).stdout
    results = Page(shown.partition('class="md-search-result__list"')[2].partition("</ol>")[0]).links
    assert any(found in link for link in results), results
