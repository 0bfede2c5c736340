import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midspan.data.decode import DECLARABLE, decode

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufeff"), min_size=1)


@given(TEXT, st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]))
def test_text_in_any_unicode_form_comes_back(text, encoding):
    assert decode(text.encode(encoding)) == (text, "")


@pytest.mark.parametrize(("mark", "encoding"), [(codecs.BOM_UTF16_BE, "utf-16-be"), (codecs.BOM_UTF32_BE, "utf-32-be")])
def test_marks_of_the_other_byte_order(mark, encoding):
    assert decode(mark + "x = é\r\n".encode(encoding)) == ("x = é\r\n", "")


@given(st.binary())
def test_any_bytes_give_a_text_or_a_reason(content):
    text, reason = decode(content)
    assert reason in ("", "binary", "not_utf8", "lfs_pointer") and not (text and reason) and "\0" not in text


@pytest.mark.parametrize("line", ["# -*- coding: latin-1 -*-", "#!/usr/bin/python\n# vim: set fileencoding=latin1 :"])
def test_declared_encodings(line):
    content = f"{line}\nname = 'café'\n".encode("latin-1")
    assert decode(content) == (f"{line}\nname = 'café'\n", "")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"caf\xe9", "not_utf8"),
        (b"\n\n# coding: latin-1\ncaf\xe9", "not_utf8"),
        (b"# coding: no-such\ncaf\xe9", "not_utf8"),
        (b"# coding: rot13\ncaf\xe9", "not_utf8"),
        (b"# coding: shift_jis\n\x81", "not_utf8"),
        (b"x\0y", "binary"),
        (b"\x7fELF\x80\0", "binary"),
        (b"\xff\xfex", "not_utf8"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 3\n", "lfs_pointer"),
    ],
)
def test_what_is_no_text_has_a_reason(content, reason):
    assert decode(content) == ("", reason)


def test_encodings_that_may_be_declared_are_called_as_python_calls_them():
    assert all(codecs.lookup(name).name == name for name in DECLARABLE)
