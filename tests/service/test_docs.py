"""``/docs`` works where there is no internet."""

import re
from html.parser import HTMLParser

import httpx

from tests.server import ROOT


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, _: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [v for name, v in attrs if name in ("src", "href", "action") and v]


def test_the_documentation_names_no_other_host_and_all_its_parts_are_served(
    client: httpx.Client,
) -> None:
    page = client.get("/docs")
    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/html")
    assert re.findall(r"https?:|//[\w.]+\.\w", page.text) == []
    links = _Links()
    links.feed(page.text)
    assert any(link.endswith(".js") for link in links.found)
    assert any(link.endswith(".css") for link in links.found)
    for link in links.found:
        part = client.get(link)
        assert part.status_code == 200, link
        assert len(part.content) > 500
    for sheet in (link for link in links.found if link.endswith(".css")):
        assert re.findall(r"url\(['\"]?(?:https?:)?//", client.get(sheet).text) == []
    (described,) = re.findall(r"url: '([^']+)'", page.text)
    assert client.get(described).json()["openapi"].startswith("3.1")


def test_the_service_hands_out_the_description_that_is_committed(client: httpx.Client) -> None:
    served = client.get("/openapi.yaml")
    assert served.headers["Content-Type"].startswith("application/yaml")
    assert served.content == (ROOT / "openapi.yaml").read_bytes()
