"""Whether this installation can do its work: connections, rights, disk, clocks, versions.

In: the settings, and what Airflow knows. Out: findings, each with what was seen and what to do.
Every check has a file of its own and a line in `checks.CHECKS`; all run at once, each in bounded
time and failing alone, so that the doctor answers also when half of the world is down. What a
check writes, a file or an object to try the right, it deletes again.
"""

from movie_recommender.doctor.checks import CHECKS, examine
from movie_recommender.doctor.finding import Case, Finding

__all__ = ["CHECKS", "Case", "Finding", "examine"]
