"""A site's files: written once, removed when stale, and nothing else touched."""

import pytest

from leaderboards.pages.files import LIST, write_site
from leaderboards.text.escape import visible


def test_marks_that_hide_or_reorder_text_are_shown_by_number():
    assert visible("a\x00\u202eb\u200b\ud800\x9f") == "a⟨U+0000⟩⟨U+202E⟩b⟨U+200B⟩⟨U+D800⟩⟨U+009F⟩"
    assert visible("tab\tline\nö €") == "tab\tline\nö €"


def test_files_of_an_earlier_build_are_removed_with_the_folders_they_leave_empty(tmp_path):
    write_site(tmp_path, [("a.html", "1"), ("items/x/1.js", "2"), ("items/y/1.js", "3")])
    (tmp_path / "items/y/mine").write_text("m")
    write_site(tmp_path, [("a.html", "1")])
    assert sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*")) == [
        "a.html",
        "items",
        "items/y",
        "items/y/mine",
        LIST,
    ]


def test_what_did_not_change_is_left_alone(tmp_path):
    write_site(tmp_path, [("a.html", "1")])
    before = (tmp_path / "a.html").stat()
    write_site(tmp_path, [("a.html", "1")])
    after = (tmp_path / "a.html").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


@pytest.mark.parametrize("name", ["../mine", "{out}/mine", "link/mine", "sub/../../mine", "folder"])
def test_a_list_that_names_other_files_removes_nothing(tmp_path, name):
    mine = tmp_path / "mine"
    mine.write_text("m")
    out = tmp_path / "out"
    write_site(out, [("a.html", "1")])
    (out / "folder").mkdir()
    (out / "link").symlink_to(tmp_path)
    (out / LIST).write_text("a.html\n" + name.format(out=tmp_path) + "\n")
    write_site(out, [("a.html", "1")])
    assert mine.exists()
    assert (out / "folder").is_dir()
    assert (out / "link").is_symlink()
