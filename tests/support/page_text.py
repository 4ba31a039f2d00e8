"""What a reader of a report meets: the words of its first screen, and walls of text."""

import re

MOST_WORDS = 150
MOST_NUMBERS = 20


def first_screen(page: str) -> str:
    """The words above the folds of a report: its head, the answer and the titles of its folds."""
    head, answer = (
        re.findall(pattern, page, re.DOTALL)[0]
        for pattern in (r"<header>(.*?)</header>", r'<section class="answer[^>]*>(.*?)</section>')
    )
    titles = re.sub(r"</summary>.*?</details>", "", answer, flags=re.DOTALL)
    return re.sub(r"<[^>]*>", " ", head + titles)


def walls(page: str) -> list[str]:
    """Paragraphs, items and captions with more than 150 words or 20 numbers."""
    body = page.partition("<body>")[2].partition("<script>")[0]
    texts = [
        re.sub(r"<[^>]*>", "", text)
        for tag in ("p", "li", "figcaption")
        for text in re.findall(rf"<{tag}\b[^>]*>(.*?)</{tag}>", body, re.DOTALL)
    ]
    assert texts, "the page has text"
    return [
        text
        for text in texts
        if len(text.split()) > MOST_WORDS
        or len(re.findall(r"\d+(?:[.,]\d+)*", text)) > MOST_NUMBERS
    ]
