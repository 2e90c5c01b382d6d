import sys
from pathlib import Path

# A benchmark is a script beside its helpers; here they are found as it finds them.
sys.path.append(str(Path(__file__).parents[3] / "benchmarks"))
