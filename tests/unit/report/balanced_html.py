"""Pages whose elements are closed where they must be."""

from html.parser import HTMLParser


class Balanced(HTMLParser):
    """Sees that every element is closed where it must be."""

    EMPTY = frozenset({"meta", "img", "input", "br", "path"})

    def __init__(self):
        super().__init__()
        self.open, self.texts = [], []

    def handle_starttag(self, tag, attrs):
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        assert tag in self.EMPTY

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)
