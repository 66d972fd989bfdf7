"""The first lock: PromQL in, PromQL out that can select series of one tenant only."""
