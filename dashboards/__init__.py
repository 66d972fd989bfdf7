"""What operators import elsewhere: boards (made by `src`), alerts (by `alerts`), recordings, the runbook."""
