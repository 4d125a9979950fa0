"""Which files may be opened because a source listed them."""

import pytest

from lake.sources.path_policy import is_allowed_file


@pytest.mark.parametrize(
    ("source", "path", "allowed", "may"),
    [
        ("/music", "/music/a/b.wav", (), True),
        ("/music/one.wav", "/music/one.wav", (), True),
        ("/music/one.wav", "/music/two.wav", (), False),
        ("/music", "/music-private/a.wav", (), False),
        ("/music", "/etc/passwd", (), False),
        ("/music", "/etc/passwd", ("/etc",), True),
        ("/music", "/etc/passwd", ("/",), True),
        ("/music", "/other/a.wav", ("file:///other",), True),
        ("/music", "/other/a.wav", ("file://",), True),
        ("/lists/list.csv", "/lists/a.wav", (), True),
        ("/lists/list.csv", "/music/a.wav", (), False),
        ("/lists/list.csv", "/music/a.wav", ("/music",), True),
        ("s3://bucket/music", "s3://bucket/music/a.wav", (), True),
        ("s3://bucket/music", "s3://bucket/musical/a.wav", (), False),
        ("s3://bucket/music", "s3://bucket/music/../secret", (), False),
        ("s3://bucket/list.csv", "s3://bucket/a.wav", (), True),
        ("s3://bucket/list.csv", "s3://other/a.wav", ("s3://other",), True),
        ("s3://bucket/list.csv", "/etc/passwd", (), False),
        ("/music", "s3://bucket/a.wav", (), False),
    ],
)
def test_files_below_a_source_or_where_it_is_allowed(source, path, allowed, may):
    assert is_allowed_file(source, path, allowed) is may
