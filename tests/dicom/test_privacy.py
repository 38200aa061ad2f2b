"""The site's key: made once, whole as soon as it is there, whoever asks at the same moment."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from scripts.conventions import ConfigError
from scripts.dicom.privacy import IdentifierHash


def test_all_who_ask_for_a_new_key_at_once_get_the_same_whole_one(tmp_path):
    with ThreadPoolExecutor(16) as pool:
        for n in range(40):
            keys = {one.key for one in pool.map(lambda _, n=n: IdentifierHash(tmp_path / f"k{n}/site.key"), range(16))}
            assert len(keys) == 1 and len(keys.pop()) >= 16
            assert [path.name for path in (tmp_path / f"k{n}").iterdir()] == ["site.key"]
    assert stat.S_IMODE((tmp_path / "k0/site.key").stat().st_mode) == 0o600


def test_a_disk_without_hard_links_gets_a_key_too(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(PermissionError(1, "no links here")))
    first, second = (IdentifierHash(tmp_path / "site.key").key for _ in range(2))
    assert first == second and [path.name for path in tmp_path.iterdir()] == ["site.key"]


@pytest.mark.parametrize("content", [b"", b"short"])
def test_a_key_that_is_too_short_is_refused(tmp_path, content):
    Path(tmp_path / "site.key").write_bytes(content)
    with pytest.raises(ConfigError, match="key_file.*Fix:"):
        IdentifierHash(tmp_path / "site.key")
