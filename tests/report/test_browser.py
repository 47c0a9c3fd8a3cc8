"""The page in a real browser, headless: Chromium and its driver from the system's packages."""

import json
import os
import shutil
import time
from dataclasses import replace
from importlib import resources
from pathlib import Path

import pytest
from measured import measured

from spikedistill import load_recipe
from spikedistill.recipes import _files as recipe_files
from spikedistill.report.contents import contents
from spikedistill.report.page import page
from spikedistill.report.stored import run_folders_below

pytestmark = pytest.mark.browser
REQUIRED = os.environ.get("SPIKEDISTILL_BROWSER") == "required"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = next(filter(None, map(shutil.which, ("chromedriver", "chromium.chromedriver"))), None)
SECONDS = 20
ATTACK = '<img src=x onerror="alert(1);window.hacked=1"></script><script>window.hacked=1</script>\'"'


@pytest.fixture(scope="module")
def driver():
    if CHROMIUM is None or DRIVER is None:
        why = "Chromium and its driver are not there: apt-get install chromium chromium-driver"
        if REQUIRED:
            pytest.fail(why)
        pytest.skip(why)
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(DRIVER))  # a driver that is named is not looked for
    yield browser
    browser.quit()


@pytest.fixture(scope="module")
def written(tmp_path_factory, write_runs):
    """A page of settings with seeds, every measure, an unfinished run, a damaged one, and words with markup."""
    folder = tmp_path_factory.mktemp("page")
    runs = folder / "runs"
    for place, name in enumerate(("digits-scratch", "digits-kdsnn", "digits-tser")):
        for seed in range(2):
            entries = measured(place, accuracy=0.9 + 0.01 * place) if seed == 0 else ()
            write_runs(runs, replace(load_recipe(name), seed=seed), 0.9 + 0.01 * place, evaluations=entries)
    write_runs(runs, load_recipe("digits-teacher"), 0.98)
    write_runs(runs, replace(load_recipe("mnist-scratch"), precision="fp32"), 0.99, log=[{"epoch": 1, ATTACK: 1.0}])
    hostile = replace(load_recipe("mnist-distilled"), precision="fp32", name="h" * 199)
    write_runs(runs, hostile, 0.5, metrics={"accuracy_best_chosen_on": ATTACK}, evaluations=[{"what": ATTACK}])
    write_runs(runs, replace(load_recipe("digits-scratch"), epochs=7), None)
    broken = write_runs(runs, replace(load_recipe("digits-scratch"), epochs=8))
    (broken / "recipe.json").write_text(json.dumps({"kind": ATTACK}))
    tables = {name: recipe_files.load_table(name) for name in ("digits", "kdsnn-table-2")}
    path = folder / "page.html"
    path.write_text(page(contents(run_folders_below(runs), tables, {})), encoding="utf-8")
    return path


@pytest.fixture
def opened(driver, written):
    """The page, fresh, on a wide screen in the light; its logs are empty."""
    show(driver, written)
    return driver


def show(driver, path: Path, width: int = 1280, scheme: str = "light", fragment: str = "") -> None:
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500},
    )
    media = {"media": "", "features": [{"name": "prefers-color-scheme", "value": scheme}]}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    driver.get("about:blank")
    for kind in ("browser", "performance"):
        driver.get_log(kind)
    driver.get(path.as_uri() + fragment)


def until(driver, condition: str, *arguments: object) -> object:
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(driver, SECONDS).until(lambda one: one.execute_script(f"return {condition}", *arguments))


def names(driver) -> list[str]:
    shown = "[...document.querySelectorAll('#runs-table tbody')].filter(group => !group.hidden)"
    return driver.execute_script(f"return {shown}.map(group => group.querySelector('a').innerText)")


def by_css(driver, selector: str):
    return driver.find_element("css selector", selector)


def head(driver, name: str):
    return driver.find_element("xpath", f"//table[@id='runs-table']//th[button[text()='{name}']]")


def test_it_opens_without_errors_and_asks_nothing_of_a_network(opened, written):
    assert until(opened, "document.readyState") == "complete"
    assert opened.get_log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in opened.get_log("performance")]
    asked = [one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"]
    assert {url for url in asked if not url.startswith("data:")} <= {written.as_uri(), "about:blank"}
    assert opened.execute_script("return document.querySelectorAll('figure svg[role=img]').length") > 20


def test_columns_are_sorted_by_their_button_and_say_so(opened):
    accuracy, setting = head(opened, "Accuracy"), head(opened, "Setting")
    accuracy.find_element("tag name", "button").click()
    assert accuracy.get_attribute("aria-sort") == "descending"
    assert names(opened)[:2] == ["mnist-scratch", "digits-teacher"]
    assert names(opened)[-1].startswith("digits-scratch")  # the unfinished one: it has no accuracy
    accuracy.find_element("tag name", "button").click()
    assert accuracy.get_attribute("aria-sort") == "ascending"
    assert names(opened)[0].startswith("hhh")
    assert names(opened)[-1].startswith("digits-scratch")
    from selenium.webdriver.common.keys import Keys

    setting.find_element("tag name", "button").send_keys(Keys.ENTER)
    assert accuracy.get_attribute("aria-sort") is None
    assert setting.get_attribute("aria-sort") == "ascending"
    assert names(opened)[:1] == ["digits-kdsnn"]


def test_runs_are_filtered_by_words_and_choices(opened):
    everything = names(opened)
    by_css(opened, "#search").send_keys("digits TSER")
    assert names(opened) == ["digits-tser"]
    assert by_css(opened, "#count").text == f"1 of {len(everything)} settings"
    by_css(opened, "#clear").click()
    assert names(opened) == everything
    from selenium.webdriver.support.ui import Select

    Select(by_css(opened, "#filter-data")).select_by_value("mnist")
    assert len(names(opened)) == 2
    Select(by_css(opened, "#filter-method")).select_by_value("tser")
    assert names(opened) == []
    assert by_css(opened, "#none").is_displayed()
    Select(by_css(opened, "#filter-data")).select_by_value("")
    assert names(opened) == ["digits-tser"]


def test_seeds_are_unfolded_and_a_seed_opens_its_own_run(opened):
    button = by_css(opened, ".unfold")
    row = button.find_element("xpath", "ancestor::tbody//tr[@class='seed']")
    assert not row.is_displayed()
    button.click()
    assert button.get_attribute("aria-expanded") == "true"
    assert row.is_displayed()
    row.find_element("tag name", "a").click()
    until(opened, "document.getElementById('dialog').open")
    run = opened.switch_to.active_element.find_element("xpath", "ancestor::details")
    assert run.get_attribute("open") is not None
    assert run.get_attribute("id").startswith("run-")


def test_a_click_in_a_row_opens_its_setting_and_closing_brings_back(opened):
    row = opened.find_element("xpath", "//tr[@class='setting'][.//a[text()='digits-tser']]")
    row.find_element("xpath", "td[2]").click()
    until(opened, "document.getElementById('dialog').open")
    article = by_css(opened, "#dialog article")
    assert article.find_element("tag name", "h3").text == "digits-tser"
    assert "The same again:" in article.get_attribute("textContent")
    assert article.find_element("tag name", "svg").is_displayed()
    by_css(opened, "#close").click()
    until(opened, "!document.getElementById('dialog').open")
    assert opened.execute_script("return document.querySelectorAll('#details article').length") == len(names(opened))


def test_a_setting_is_opened_and_closed_by_the_keyboard(opened):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    for _ in range(40):  # from the top of the page to the first link of the table
        ActionChains(opened).send_keys(Keys.TAB).perform()
        active = opened.switch_to.active_element
        if (active.get_attribute("href") or "").partition("#")[2].startswith("setting-") and active.find_elements(
            "xpath", "ancestor::table[@id='runs-table']"
        ):
            break
    name = active.text
    ActionChains(opened).send_keys(Keys.ENTER).perform()
    until(opened, "document.getElementById('dialog').open")
    assert by_css(opened, "#dialog h3").text == name
    ActionChains(opened).send_keys(Keys.ESCAPE).perform()
    until(opened, "!document.getElementById('dialog').open")
    assert opened.switch_to.active_element.text == name


def test_an_address_with_a_setting_opens_it_and_going_back_closes_it(opened, driver, written):
    fragment = opened.execute_script("return document.querySelector('#runs-table a').getAttribute('href')")
    show(driver, written, fragment=fragment)
    until(driver, "document.getElementById('dialog').open")
    show(driver, written)
    by_css(driver, "#runs-table .setting a").click()
    until(driver, "document.getElementById('dialog').open")
    driver.back()
    until(driver, "!document.getElementById('dialog').open")


def test_words_with_markup_are_words(opened):
    from selenium.common.exceptions import NoAlertPresentException

    with pytest.raises(NoAlertPresentException):
        opened.switch_to.alert.dismiss()
    assert opened.execute_script("return window.hacked === undefined")
    assert opened.execute_script("return document.querySelectorAll('img').length") == 0
    assert opened.execute_script("return document.scripts.length") == 1
    assert opened.execute_script("return document.body.textContent.includes('onerror=')")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_no_serious_fault(driver, written, scheme, width):
    show(driver, written, width, scheme)
    driver.execute_script(resources.files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8"))
    faults = []
    for opens in (False, True):
        if opens:
            driver.execute_script("document.querySelectorAll('details').forEach(one => { one.open = true; })")
            driver.execute_script(
                "[...document.querySelectorAll('#runs-table a')].find(a => a.text === 'digits-tser').click()"
            )
            until(driver, "document.getElementById('dialog').open")
        driver.set_script_timeout(120)
        found = driver.execute_async_script("axe.run(document).then(arguments[arguments.length - 1])")
        assert found["passes"]
        faults += [
            (one["id"], one["impact"], node["html"][:200])
            for one in found["violations"]
            if one["impact"] in ("serious", "critical")
            for node in one["nodes"][:3]
        ]
    assert faults == []


def test_a_phone_scrolls_no_page_sideways(driver, written):
    show(driver, written, 390)
    driver.execute_script("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    assert driver.execute_script("return document.documentElement.scrollWidth") <= 390
    driver.execute_script("document.querySelector('#runs-table a').click()")
    until(driver, "document.getElementById('dialog').open")
    wide = "(d => d.scrollWidth - d.clientWidth)(document.getElementById('dialog'))"
    assert driver.execute_script(f"return {wide}") <= 0


def test_the_dark_has_other_colours_in_figures_too(driver, written):
    colours = {}
    for scheme in ("light", "dark"):
        show(driver, written, scheme=scheme)
        script = "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]"
        asked = (("body", "backgroundColor"), ("figure svg text", "fill"))
        colours[scheme] = [driver.execute_script(script, *one) for one in asked]
    assert colours["light"][0] != colours["dark"][0]
    assert colours["light"][1] != colours["dark"][1]


def test_without_scripts_everything_is_there_in_a_row(driver, written):
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        show(driver, written)
        articles = driver.find_elements("css selector", "#details article")
        assert len(articles) > 5
        assert all(one.is_displayed() for one in articles)
        assert not by_css(driver, ".filters").is_displayed()
        assert by_css(driver, "#runs-table .seed").is_displayed()
    finally:
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_paper_has_no_controls(opened):
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert not by_css(opened, ".filters").is_displayed()
    assert not by_css(opened, "nav").is_displayed()
    assert by_css(opened, "#runs-table").is_displayed()


@pytest.mark.slow
def test_five_hundred_runs_are_filtered_and_sorted_at_once(driver, tmp_path, write_runs):
    recipe = load_recipe("digits-scratch")
    for place in range(50):
        for seed in range(10):
            own = replace(recipe, epochs=place + 1, seed=seed, name=f"setting-{place}")
            write_runs(tmp_path / "runs", own, 0.5 + place / 1000 + seed / 10000)
    found = contents(run_folders_below(tmp_path / "runs"), {}, {})
    path = tmp_path / "page.html"
    path.write_text(page(found), encoding="utf-8")
    assert len(found.runs) == 500
    show(driver, path)
    assert until(driver, "document.getElementById('count').value") == "50 settings"
    before = time.monotonic()
    by_css(driver, "#search").send_keys("setting-37")
    assert until(driver, "document.getElementById('count').value === '1 of 50 settings'")
    by_css(driver, "#clear").click()
    head(driver, "Accuracy").find_element("tag name", "button").click()
    assert names(driver)[0] == "setting-49"
    assert time.monotonic() - before < SECONDS
    assert driver.get_log("browser") == []
