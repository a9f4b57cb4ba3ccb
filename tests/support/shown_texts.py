"""Read every text that a page sends to the browser from Streamlit's messages."""

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamlit.testing.v1 import AppTest

# fields of messages that people do not read
OF_PROGRAMS = {
    *("id", "form_id", "user_key", "element_id", "shortcut", "language", "url", "mime", "format", "icon", "position"),
    *("component_name", "js_content", "css_content", "html_content", "key", "styler", "selection_mode", "editing_mode"),
    *("bytes", "type", "file_name", "raw_values", "default", "placeholder_id", "deferred_file_id", "size_preset"),
}
# keys of figures, columns of tables and data of components that hold texts for people
OF_PEOPLE = {
    *("text", "title", "name", "hovertemplate", "texttemplate", "hovertext", "ticktext", "customdata", "x", "y"),
    *("label", "help", "options", "alt", "words"),
}
MARKS = re.compile(r"<[^>]*>|%\{[^}]*\}|\$+[^$]*\$+|`[^`]*`|:material/\w+:|:[a-z-]+\[")


def find_shown(page: "AppTest") -> set[str]:
    """Collect the texts of a page: words, labels, help, options, cells of tables, texts of figures."""
    found = {text.strip() for text in _of_block(page._tree)}
    return {text for text in found if text}


def _of_block(node: Any) -> Iterator[str]:
    if getattr(node, "proto", None) is not None:
        yield from _of_message(node.proto)
    for child in getattr(node, "children", {}).values():
        yield from _of_block(child)


def _of_message(message: Any) -> Iterator[str]:
    """Yield the texts of a protobuf message and of the messages in it."""
    for field, value in message.ListFields():
        if field.name in OF_PROGRAMS:
            continue
        for one in value if field.is_repeated else [value]:
            if hasattr(one, "ListFields"):
                yield from _of_message(one)
            elif isinstance(one, str):
                yield from _of_text(one)
            elif isinstance(one, bytes):
                yield from _of_table(one)


def _of_text(text: str) -> Iterator[str]:
    if text[:1] in "{[" and text[-1:] in "}]":
        try:
            yield from _of_json(json.loads(text))
            return
        except ValueError:
            pass
    yield text


def _of_json(value: Any, is_text: bool = False) -> Iterator[str]:
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _of_json(part, name in OF_PEOPLE or (is_text and isinstance(part, str)))
    elif isinstance(value, list):
        for part in value:
            yield from _of_json(part, is_text)
    elif isinstance(value, str) and is_text:
        yield from re.split(r"<br>|<extra></extra>", value)


def _of_table(data: bytes) -> Iterator[str]:
    from streamlit.dataframe_util import convert_arrow_bytes_to_pandas_df

    frame = convert_arrow_bytes_to_pandas_df(data)
    yield from map(str, frame.columns)
    for name in frame.columns:
        yield from (cell for cell in frame[name] if isinstance(cell, str))
