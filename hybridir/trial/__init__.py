"""One trial: a configuration from start to result."""

from hybridir.trial.run import TrialResult, run_trial

__all__ = ["TrialResult", "run_trial"]
