"""The tree of errors, by what the operator must do.

MovieRecommenderError
├── ConfigurationError     correct a variable or an argument, then run again; a retry can't help
├── InputDataError         correct or remove the named input; a retry can't help
├── OffsetGapError         events are gone from Kafka: restore them or accept the loss explicitly
├── NotReadyError          a server or a file isn't there (yet): start it; a retry can help
│   └── StorageError       the disk or bucket refused: free space or grant access; a retry can help
├── ConcurrentWriteError   another run was faster: run again, it goes on from that run's result
├── TrainingError          the training diverged: look at the named epoch; nothing was registered
└── RegistryError          the model registry lacks what was asked for, or a bundle is damaged

Every message says what happened, where, the value against what was expected, and the remedy.
"""


class MovieRecommenderError(Exception):
    """Base of every error this package raises on purpose."""

    retryable = False


class ConfigurationError(MovieRecommenderError):
    """A setting or an argument is wrong."""


class InputDataError(MovieRecommenderError):
    """An input file or table has content that can't be used."""


class OffsetGapError(MovieRecommenderError):
    """Kafka no longer holds offsets that were never extracted."""


class NotReadyError(MovieRecommenderError):
    """A server or a file that the step needs isn't there."""

    retryable = True


class StorageError(NotReadyError):
    """The disk or bucket refused to read or write."""


class ConcurrentWriteError(MovieRecommenderError):
    """Another writer committed first."""

    retryable = True


class TrainingError(MovieRecommenderError):
    """The training diverged; nothing was registered."""


class RegistryError(MovieRecommenderError):
    """The model registry lacks what was asked for, or a bundle is damaged."""
