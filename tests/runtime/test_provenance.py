"""A digest of code is of what it does."""

from stages.runtime.provenance import code_digest


def test_a_digest_of_code_is_of_what_it_does(tmp_path):
    code = tmp_path / "a.py"

    def digest(text: str) -> str:
        code.write_text(text)
        return code_digest([code])

    plain = digest("a = 1\n")
    assert digest("# why\n\na = 1  # so\n\n") == plain
    assert digest("a = '# 1'\n") != digest("a = '# 2'\n")
    assert digest("a = 2\n") != plain
    assert code_digest([]) != plain
