"""What training says of itself as it goes on."""

from macrid.training import log


def test_what_takes_a_while_is_counted_every_few_seconds(caplog, monkeypatch):
    caplog.set_level("INFO", logger="macrid")
    updates = []
    count = log.counted("pictures", updates.append)
    count(32)
    assert not caplog.records, "nothing in the first seconds"
    monkeypatch.setattr(log, "EVERY", 0)
    count(1000)
    count(8)
    assert [record.getMessage() for record in caplog.records] == [
        "1,032 pictures",
        "1,040 pictures",
    ]
    assert updates == [32, 1000, 8]
