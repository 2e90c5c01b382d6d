from movie_recommender.local.airflow_api import _error_messages


def test_of_an_exception_and_its_causes_the_outermost_is_told() -> None:
    entry = {
        "event": "Task failed with exception",
        "level": "error",
        "error_detail": [
            {"exc_type": "ConfigurationError", "exc_value": "FEATURE_STORE_PATH=/x: can't write"},
            {"exc_type": "FileExistsError", "exc_value": "[Errno 17] File exists: '/x'"},
        ],
    }
    assert _error_messages(entry) == ["ConfigurationError: FEATURE_STORE_PATH=/x: can't write"]


def test_an_error_line_without_an_exception_is_told_and_other_lines_are_not() -> None:
    assert _error_messages({"event": "exit code 2", "level": "error"}) == ["exit code 2"]
    assert _error_messages({"event": "all well", "level": "info"}) == []
