"""The form of a new run in a browser: errors beside fields, YAML for experts, and the run that it starts."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.helpers import made_up_runs
from tests.helpers.browser import opened
from tests.helpers.page_scene import Scene


def fill(page: Page, **values: str) -> None:
    for name, value in values.items():
        page.fill(f"[name='{name.replace('__', '.')}']", value)


def fill_needed(page: Page) -> None:
    fill(page, metadata__name="chest", training__data__path="/data/chest", checkpoints__size="1Gi")
    page.select_option("[name='training.task']", "classification")
    page.select_option("[name='training.data.format']", "directory")


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_errors_stand_beside_their_fields(browser: Browser, scene: Scene, scripts: bool) -> None:
    with opened(browser, f"{scene.url}/ui/new", scripts=scripts) as seen:
        page = seen.page
        fill_needed(page)
        fill(page, nodes="0", metadata__name="")
        page.locator(".submit").get_by_role("button", name="Start").click()
        for path, said in [("nodes", "greater than or equal to 1"), ("metadata.name", "write a name")]:
            box = page.locator(f"[id='{path}']")
            expect(box).to_have_attribute("aria-invalid", "true")
            error = page.locator(f"[id='error-{path}']")
            expect(error).to_contain_text(said)
            assert f"error-{path}" in (box.get_attribute("aria-describedby") or "")
        expect(page.locator("[name='training.data.path']")).to_have_value("/data/chest")
        if scripts:
            expect(page.locator("#errors")).to_be_focused()
        fill(page, nodes="1", metadata__name="chest")
        page.locator(".submit").get_by_role("button", name="Start").click()
        expect(page.locator("[id='error-training.data.path']")).to_contain_text("is in no volume of the pods")
        assert scene.cluster.objects == {}
        fill(page, volumes__0__claim="chest", volumes__0__mountPath="/data")
        page.locator(".submit").get_by_role("button", name="Check only").click()
        expect(page.locator(".notice")).to_contain_text("would take this run")
        assert scene.cluster.objects == {}
        page.locator(".submit").get_by_role("button", name="Start").click()
        expect(page.locator("h1")).to_have_text("chest")
        assert "/ui/runs/chest-" in page.url
        made = scene.cluster.objects["chest"]
        assert made["spec"]["volumes"] == [{"claim": "chest", "mountPath": "/data"}]
        assert made["metadata"]["namespace"] == "default"
        assert seen.wrongs == []


def test_a_form_becomes_yaml_and_yaml_a_form(browser: Browser, scene: Scene) -> None:
    with opened(browser, f"{scene.url}/ui/new") as seen:
        page = seen.page
        fill_needed(page)
        page.get_by_role("button", name="One more").first.click()
        fill(page, volumes__0__claim="a", volumes__0__mountPath="/data")
        fill(page, volumes__1__claim="b", volumes__1__mountPath="/more")
        page.get_by_role("button", name="YAML").click()
        text = page.locator("#yaml")
        expect(text).to_have_value(re.compile("mountPath: /more"))
        page.fill("#yaml", text.input_value().replace("claim: b", "claim: B"))
        page.locator(".submit").get_by_role("button", name="Start").click()
        expect(page.locator("#errors")).to_contain_text("volumes.1.claim")
        page.get_by_role("button", name="Fields").click()
        expect(page.locator("[name='volumes.1.claim']")).to_have_value("B")
        assert seen.wrongs == []


def test_text_that_is_no_yaml_is_kept_and_explained(browser: Browser, scene: Scene) -> None:
    with opened(browser, f"{scene.url}/ui/new?mode=yaml") as seen:
        seen.page.fill("#yaml", "spec: [")
        seen.page.locator(".submit").get_by_role("button", name="Start").click()
        expect(seen.page.locator("#errors")).to_contain_text("this is no YAML")
        expect(seen.page.locator("#yaml")).to_have_value("spec: [")


def test_a_new_run_can_be_like_an_earlier_one(browser: Browser, scene: Scene) -> None:
    run = made_up_runs.furnish(scene)["knee-mri"]
    with opened(browser, f"{scene.url}/ui/new?like={run.run_id}") as seen:
        expect(seen.page.locator("[name='metadata.name']")).to_have_value("")
        expect(seen.page.locator("[name='metadata.namespace']")).to_have_value("radiology")
        expect(seen.page.locator("[name='training.optimizer.learningRate']")).to_have_value("0.001")
        expect(seen.page.locator("[name='volumes.0.claim']")).to_have_value("chest")
        assert seen.wrongs == []


def test_a_form_of_another_site_starts_nothing(browser: Browser, scene: Scene) -> None:
    with opened(browser, f"{scene.url}/ui/new") as seen:
        fill_needed(seen.page)
        fill(seen.page, volumes__0__claim="chest", volumes__0__mountPath="/data")
        seen.page.evaluate("document.querySelector('#new [name=csrf_token]').value = 'guessed'")
        seen.page.locator(".submit").get_by_role("button", name="Start").click()
        expect(seen.page.get_by_role("heading")).to_have_text("Forbidden")
        assert scene.cluster.objects == {}
