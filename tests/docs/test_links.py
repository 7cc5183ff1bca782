"""A link on any page leads somewhere."""

from pathlib import Path

import pytest

from tests.docs.pages import ROOT, all_pages, anchors, links


@pytest.mark.parametrize("page", all_pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_page_and_place_that_exist(page: Path) -> None:
    lost = []
    for link in links(page):
        path, _, place = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (place and place not in anchors(target)):
            lost.append(link)

    assert lost == []


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached:
            continue
        reached.add(page)
        targets = [(page.parent / link.split("#")[0]).resolve() for link in links(page)]
        folders = [each for each in targets if each.is_dir()]
        targets += [each for folder in folders for each in folder.glob("*.md")]
        waiting += [each for each in targets if each.suffix == ".md" and each.is_file()]

    assert sorted(set(all_pages()) - reached) == []
