"""Letters on their way: real channels to local servers that refuse, dawdle, and come back."""

import logging
import os
import signal
import subprocess
import sys
import textwrap
from datetime import UTC, datetime, timedelta

import pytest

from movie_recommender.contacts import alert_contacts
from movie_recommender.errors import NotReadyError
from movie_recommender.orchestration.delivery import Post, UndeliveredError
from tests.unit.orchestration.conftest import SLACK_TOKEN, connect_mail, connect_slack, serving
from tests.unit.orchestration.letters import letter
from tests.unit.orchestration.sinks import MailSink, SlackSink

SECOND = timedelta(seconds=1)


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def post():
    return Post(alert_contacts())


def fresh(key: str = "k", *channels: str):
    return letter(key, *channels, written=now())


def test_the_first_channel_gets_it_and_no_other(post, slack, mail, outbox):
    sent = fresh("k", "slack", "mail")
    assert post.deliver(sent).by == "slack"
    assert slack.texts == [f"text of k\nAlert id: {sent.id}"]
    assert mail.mails == []
    assert outbox.waiting() == []


def test_a_letter_that_was_sent_is_not_sent_again(post, slack):
    sent = fresh()
    post.deliver(sent)
    outcome = Post(alert_contacts()).deliver(sent)  # a retry, in another process
    assert outcome.by is None
    assert "or was" in outcome.note
    assert len(slack.messages) == 1


@pytest.mark.parametrize("status", [429, 500, 403])
def test_the_next_channel_stands_in_and_says_so(post, slack, mail, outbox, status):
    slack.status = status
    outcome = post.deliver(fresh("k", "slack", "mail"))
    assert outcome.by == "mail"
    assert f"slack: HTTP {status}" in outcome.note
    [content] = mail.texts
    assert "Subject: subject of k" in content
    assert "Sent by mail, because slack didn&#x27;t take it." in content
    assert outbox.waiting() == []


def test_a_busy_channel_is_asked_again_when_it_said(monkeypatch, slack):
    monkeypatch.setenv("ALERT_PATIENCE_S", "1.5")
    slack.status, slack.headers = 429, {"Retry-After": "1"}
    started = now()
    outcome = Post(alert_contacts()).deliver(fresh())
    assert outcome.by is None
    assert slack.asked == 2
    assert now() - started >= SECOND


def test_a_channel_that_recovers_within_the_patience_gets_it(monkeypatch, slack, mail):
    monkeypatch.setenv("ALERT_PATIENCE_S", "1.5")
    slack.status = 500
    slack.recovers_after = 1
    assert Post(alert_contacts()).deliver(fresh("k", "slack", "mail")).by == "slack"
    assert (slack.asked, mail.asked) == (2, 0)


@pytest.mark.parametrize("status", [429, 403])
def test_what_the_patience_cant_help_is_not_waited_for(monkeypatch, slack, mail, status):
    """A pause beyond it, and a refusal for good."""
    monkeypatch.setenv("ALERT_PATIENCE_S", "30")
    slack.status, slack.headers = status, {"Retry-After": "3600"} if status == 429 else {}
    assert Post(alert_contacts()).deliver(fresh("k", "slack", "mail")).by == "mail"
    assert slack.asked == 1


def test_what_nobody_takes_waits_and_arrives_once_when_either_is_back(post, slack, mail, outbox):
    slack.status, mail.refuses = 500, {"RCPT": "450 busy"}
    kept = fresh("k", "slack", "mail")
    assert post.deliver(kept).by is None
    assert outbox.waiting() == [kept]
    mail.refuses = {}
    later = Post(alert_contacts())  # another process
    assert [later.flush(now()), later.flush(now())] == [1, 0]
    slack.status = 200
    assert Post(alert_contacts()).flush(now()) == 0
    assert (len(mail.mails), len(slack.messages)) == (1, 0)
    assert outbox.waiting() == []


def test_where_airflow_doesnt_say_how_to_reach_a_channel_its_letter_waits(slack, outbox):
    def unknown(letter, contacts):
        message = "Airflow's API didn't answer; Connection slack_default can't be read"
        raise NotReadyError(message)

    outcome = Post(alert_contacts(), channels={"slack": unknown}).deliver(fresh())
    assert outcome.by is None
    assert "Connection slack_default can't be read" in outcome.note
    assert Post(alert_contacts()).flush(now()) == 1
    assert len(slack.messages) == 1


def test_a_channel_that_refuses_rests_longer_each_time(post, slack):
    slack.status = 500
    start = now()
    post.deliver(fresh("a"))
    post.keep(fresh("b"))
    for seconds in range(0, 60, 5):
        post.flush(start + seconds * SECOND)
    assert slack.asked == 1 + 2  # after 15 s, and 30 s after that; not for each letter
    slack.status = 200
    assert post.flush(start + 600 * SECOND) == 2


def test_how_long_slack_wants_to_be_left_alone_is_respected(post, slack):
    slack.status, slack.headers = 429, {"Retry-After": "300"}
    start = now()
    post.deliver(fresh())
    slack.status = 200
    assert post.flush(start + 290 * SECOND) == 0
    assert post.flush(start + 310 * SECOND) == 1


def test_a_letter_that_is_refused_for_good_holds_no_other_up(post, slack, outbox):
    slack.status = 400
    post.deliver(letter("bad", written=now() - timedelta(hours=1)))
    slack.status = 200
    post.keep(fresh("good"))
    assert post.flush(now()) == 1
    assert [waiting.key for waiting in outbox.waiting()] == ["bad"]


def test_a_late_letter_says_when_it_was_written(post, slack):
    post.keep(letter())
    post.flush(now())
    assert "Delivered late: written 2025-06-01 12:00 UTC." in slack.texts[0]


def test_without_any_connection_it_is_kept_for_a_day_and_then_forgotten(post, outbox, caplog):
    unwanted = fresh("k", "slack", "mail")
    outcome = post.deliver(unwanted)
    assert outcome.by is None
    assert "connections add slack_default" in outcome.note
    assert "connections add smtp_default" in outcome.note
    post.flush(now(), forget=True)
    assert outbox.waiting() == [unwanted]
    post.flush(now() + timedelta(days=1, seconds=1), forget=True)
    assert outbox.waiting() == []
    assert "text of k" in caplog.text


def test_whoever_empties_the_outbox_leaves_a_letter_that_is_being_sent(post, slack, monkeypatch):
    """Or its task would end as skipped, though its own channel has the alert."""
    others = Post(alert_contacts())
    keep = post.keep

    def kept_and_seen(letter):
        kept = keep(letter)
        assert others.flush(now()) == 0
        return kept

    monkeypatch.setattr(post, "keep", kept_and_seen)
    assert post.deliver(fresh()).by == "slack"
    assert len(slack.messages) == 1


def test_without_outbox_and_without_connections_nothing_fails(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ALERT_OUTBOX", str(tmp_path / "file" / "outbox"))
    outcome = Post(alert_contacts()).deliver(fresh())
    assert outcome.by is None
    assert "connections add slack_default" in outcome.note


def test_an_outbox_that_cant_be_written_stops_no_alert(monkeypatch, tmp_path, slack):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ALERT_OUTBOX", str(tmp_path / "file" / "outbox"))
    assert Post(alert_contacts()).deliver(fresh()).by == "slack"
    assert len(slack.messages) == 1


def test_only_an_alert_that_is_nowhere_is_an_error(monkeypatch, tmp_path, slack, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ALERT_OUTBOX", str(tmp_path / "file" / "outbox"))
    slack.status = 500
    with pytest.raises(UndeliveredError, match=r"ALERT_OUTBOX=.*slack: HTTP 500"):
        Post(alert_contacts()).deliver(fresh())
    assert "text of k" in caplog.text


def test_what_the_disk_refuses_to_remember_is_not_sent_for_ever(post, slack, outbox, monkeypatch):
    post.keep(fresh())
    with monkeypatch.context() as patch:

        def full(self, letter):
            raise OSError(28, "No space left on device")

        patch.setattr(type(outbox), "sent", full)
        post.flush(now())
        post.flush(now())
    assert len(slack.messages) == 1
    post.flush(now())
    assert (len(slack.messages), outbox.waiting()) == (1, [])


def test_no_secret_is_in_what_is_kept_sent_or_logged(post, slack, mail, tmp_path, caplog):
    slack.status, mail.refuses = 500, {"DATA": "554 no"}
    with caplog.at_level(logging.DEBUG):
        outcome = post.deliver(fresh("k", "slack", "mail"))
        mail.refuses = {}
        Post(alert_contacts()).flush(now())
    kept = "".join(path.read_text() for path in (tmp_path / "outbox").rglob("*.json"))
    assert "text of k" in kept
    for place in (kept, mail.texts[0], caplog.text, outcome.note):
        assert SLACK_TOKEN not in place


KILLED_AFTER_THE_ANSWER = textwrap.dedent(
    """
    import os, signal
    from movie_recommender.orchestration.delivery import Post
    from movie_recommender.orchestration.outbox import Outbox
    from movie_recommender.contacts import alert_contacts
    from tests.unit.orchestration.letters import letter

    Outbox.sent = lambda self, letter: os.kill(os.getpid(), signal.SIGKILL)
    Post(alert_contacts()).deliver(letter("k", "mail"))
    """
)


def test_killed_between_the_answer_and_the_mark_it_comes_again_with_the_same_id(mail, outbox):
    """At least once is the limit; who reads both can tell that they are one."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED_AFTER_THE_ANSWER], check=False, env=os.environ
    )
    assert done.returncode == -signal.SIGKILL
    assert len(mail.mails) == 1
    post = Post(alert_contacts())
    assert [post.flush(now()), post.flush(now())] == [1, 0]
    assert mail.ids == [f"<{letter('k').id}@movie-recommender>"] * 2


def test_both_channels_away_and_back_each_letter_arrives_once(monkeypatch, free_port, outbox):
    """Slack answers 500, nobody listens for mail; three processes deliver what waited."""
    slack, mail = SlackSink(), MailSink()
    connect_slack(monkeypatch, slack.port)
    connect_mail(monkeypatch, free_port)
    slack.status = 500
    sent = [fresh("success", "slack", "mail"), fresh("f1", "slack"), fresh("f2", "mail")]
    for each in sent:
        assert Post(alert_contacts()).deliver(each).by is None
    assert len(outbox.waiting()) == 3
    slack.status = 200
    with serving(mail, free_port):
        assert [Post(alert_contacts()).flush(now()) for _ in range(3)] == [3, 0, 0]
    slack.close()
    arrived = [*slack.texts, *mail.texts]
    assert len(arrived) == 3
    for each in sent:
        assert sum(each.id in text for text in arrived) == 1
