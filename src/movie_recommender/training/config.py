"""The constants of a training."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class TrainingConfig:
    """They are part of what makes two models the same model."""

    dim: int = 64
    epochs: int = 20
    mlp_epochs: int = 4
    """The MLP tower joins for the last epochs; from the start it costs time and adds nothing."""
    block: int = 128
    """Users scored at once, at most, ..."""
    min_block: int = 16
    """... and at least: few users are dealt into smaller blocks, ..."""
    min_steps: int = 40
    """... so that an epoch has so many steps."""
    columns: int = 20_000
    """Movies a block is scored against; of a larger catalogue so many are drawn, ..."""
    mlp_columns: int = 1_000
    """... and so many where the MLP tower takes part, whose cells cost six times as much."""
    learning_rate: float = 0.005
    warmup: float = 0.05
    """Share of the steps in which the learning rate rises; then it falls linearly to zero."""
    dropout: float = 0.25
    """Share of a user vector's entries that are left out."""
    unobserved_weight: float = 0.5
    """Weight of a cell without a positive; a new positive has 1."""
    input_share: float = 0.5
    """Share of a user's history that is input; the rest is target."""
    new_share: float = 0.05
    """Share of users trained as if they were new: no id, no history, all is target."""
    id_dropout: float = 0.1
    """Share of users trained without their id vector: history and side features must do."""
    history_half_life: float = 20.0
    """Movies after which one counts half in a user's vector, where times are known."""
    target_half_life_days: float = 365.0
    """Age at which a positive counts half as a target, where times are known."""
    user_l2: float = 0.02
    """L2 penalty on a user's id vector."""
    movie_l2: float = 13.0
    """L2 penalty on the movies' id vectors beside the loss of all users: Gaussian prior."""
    warm_share: float = 0.3
    """Of the epochs and of the learning rate, for a training that goes on from an earlier model."""
    seed: int = 0
    threads: int = 2

    def warm(self) -> "TrainingConfig":
        """For going on from an earlier model, whose two towers are there from the start."""
        epochs = max(1, round(self.warm_share * self.epochs))
        rate = self.warm_share * self.learning_rate
        return replace(self, epochs=epochs, mlp_epochs=epochs, learning_rate=rate)
