"""What may be asked of a list."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

MAX_K = 1000
MAX_USER_ID = 2**63 - 1

Name = Annotated[str, Field(min_length=1, max_length=64)]
Year = Annotated[int, Field(ge=1870, le=2200)]


class Query(BaseModel):
    """The parameters of a list of recommendations."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    k: Annotated[int, Field(ge=1, le=MAX_K, description="How many movies.")] = 10
    genre: Annotated[Name | None, Field(description="Only movies of this genre.")] = None
    year_from: Annotated[Year | None, Field(description="Only movies of this year or later.")] = (
        None
    )
    year_to: Annotated[Year | None, Field(description="Only movies of this year or earlier.")] = (
        None
    )
    language: Annotated[Name | None, Field(description="Only movies in this language.")] = None
    exclude_seen: Annotated[bool, Field(description="Leave out what the user has met already.")] = (
        True
    )
    impressions: Annotated[
        bool, Field(description="Whether the list is shown to the user; false for tests.")
    ] = True

    @model_validator(mode="after")
    def _years_in_order(self) -> "Query":
        if self.year_from is not None and self.year_to is not None:
            if self.year_from > self.year_to:
                message = f"year_from={self.year_from} is after year_to={self.year_to}"
                raise ValueError(message)
        return self

    @property
    def filters(self) -> tuple[str | None, int | None, int | None, str | None]:
        """Genre, first year, last year, language; None where it isn't asked for."""
        return self.genre, self.year_from, self.year_to, self.language
