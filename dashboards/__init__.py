"""What operators import elsewhere: boards, alerts, recordings, the runbook; `src` generates the boards."""
