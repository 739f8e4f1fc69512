"""Versions are those of releases, whoever built them."""

from stages.provenance.libraries import installed_versions


def test_versions_are_named_without_their_build(monkeypatch):
    builds = {"torch": "2.14.1+cu128", "timm": "1.0.31"}
    monkeypatch.setattr("stages.provenance.libraries.version", builds.__getitem__)
    assert installed_versions(["torch", "timm"]) == {"timm": "1.0.31", "torch": "2.14.1"}


def test_what_is_not_installed_is_none():
    assert installed_versions(["no-such-library", "numpy"])["no-such-library"] == "none"
