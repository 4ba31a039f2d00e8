"""Shows the examples of docstrings as code: the documentation's site reads them as Markdown."""

import re

import griffe

# An example begins with a prompt, and ends with a blank line or the docstring.
_EXAMPLE = re.compile(r"^>>> .*?(?=\n\n|\Z)", re.MULTILINE | re.DOTALL)


class DoctestBlocks(griffe.Extension):
    """Puts every example into a block of Python's interactive mode."""

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        """Change an object's docstring."""
        if obj.docstring:
            text = _EXAMPLE.sub(r"```pycon\n\g<0>\n```", obj.docstring.value)
            obj.docstring.value = text
