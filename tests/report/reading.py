"""Pages read as a browser would."""

import base64
from html.parser import HTMLParser

PNG = base64.b64decode(  # of one pixel
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class Read(HTMLParser):
    """What a browser would see: every tag with its attributes, and the text."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append(data.strip())

    def attributes(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]
