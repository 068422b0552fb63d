"""What a shared link to the page shows elsewhere."""

import re

from clipsim.web.preview import describe_link

PAGE = b"""<html><head><meta charset="utf-8">
<meta property="og:title" content="Gradio" />
<meta
	property="og:image"
	content="https://example.org/other.jpg"
/><meta name="twitter:creator" content="@Gradio" />
<meta name="viewport" content="width=device-width"></head><body>...</body></html>"""


def test_the_head_describes_clipsim_and_nothing_else() -> None:
    page = describe_link(PAGE, "https://clipsim.example").decode()
    assert re.findall(r'property="og:title" content="([^"]*)"', page) == [
        "clipsim: how well does this caption fit these pictures?"
    ]
    assert re.findall(r'property="og:image" content="([^"]*)"', page) == ["https://clipsim.example/preview.jpg"]
    assert "Gradio" not in page and "other.jpg" not in page
    assert 'charset="utf-8"' in page and 'name="viewport"' in page and page.endswith("<body>...</body></html>")


def test_an_address_that_a_stranger_sends_as_host_is_escaped() -> None:
    assert "<script>" not in describe_link(PAGE, 'https://x"><script>').decode()
